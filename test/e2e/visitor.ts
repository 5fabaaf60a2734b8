/** Where a server is. */
interface Place {
  readonly url: string;
}

/** What `GET /api/session` tells of a session. */
export interface Looked {
  id: string | null;
  isNew: boolean;
  expires?: number;
  pid: number;
  /** Each value by its path, as `type value`. */
  data: Record<string, string>;
}

/** One of what `GET /api/devices` tells. */
export interface LookedDevice {
  id: string;
  name: string;
  time: number;
  touched: number;
  isThis: boolean;
}

/**
 * Somebody with a cookie jar. Cookies know no ports: it is the same visitor to every server on
 * localhost.
 */
export class Visitor {
  readonly cookies: Map<string, string> = new Map();
  readonly #userAgent: string | undefined;

  constructor(userAgent?: string) {
    this.#userAgent = userAgent;
  }

  /** Somebody else, with the cookies that this one has now. */
  copy(): Visitor {
    const copy = new Visitor();
    for (const [name, value] of this.cookies) copy.cookies.set(name, value);
    return copy;
  }

  async get(server: Place, path: string): Promise<Response> {
    return this.send(server, path);
  }

  /** Posts a form. The answer is the redirect itself. */
  async post(server: Place, path: string, form: Record<string, string> = {}): Promise<Response> {
    return this.send(server, path, { method: "POST", body: new URLSearchParams(form) });
  }

  async json<T>(server: Place, path: string): Promise<T> {
    const response = await this.get(server, path);
    if (!response.ok) throw new Error(`GET ${path} gave ${response.status}`);
    return (await response.json()) as T;
  }

  async look(server: Place): Promise<Looked> {
    type Row = { path: string; type: string; value: string };
    const { data, ...rest } = await this.json<Omit<Looked, "data"> & { data: Row[] }>(
      server,
      "/api/session",
    );
    const rows = data.map(({ path, type, value }) => [path, `${type} ${value}`]);
    return { ...rest, data: Object.fromEntries(rows) as Record<string, string> };
  }

  async devices(server: Place): Promise<LookedDevice[]> {
    return this.json(server, "/api/devices");
  }

  /** What the page says has just happened. */
  async notice(server: Place, path: string): Promise<string> {
    const page = await (await this.get(server, path)).text();
    const [, inner = ""] = /<p class="notice"[^>]*>(.*?)<\/p>/s.exec(page)!;
    return inner.replace(/<.*?>/g, "").trim();
  }

  /** Sends a request as a page of this server's would. A redirect is not followed. */
  async send(server: Place, path: string, init: RequestInit = {}): Promise<Response> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = new Headers(init.headers);
    if (cookie !== "") headers.set("cookie", cookie);
    if (init.method === "POST") headers.set("origin", server.url);
    if (this.#userAgent !== undefined) headers.set("user-agent", this.#userAgent);
    const response = await fetch(server.url + path, { ...init, headers, redirect: "manual" });
    for (const line of response.headers.getSetCookie()) this.#keep(line);
    return response;
  }

  #keep(line: string): void {
    const [pair = "", ...attributes] = line.split(/; */);
    const [name = "", value = ""] = pair.split(/=(.*)/s);
    const maxAge = attributes.find((text) => /^max-age=/i.test(text))?.slice("max-age=".length);
    const expires = attributes.find((text) => /^expires=/i.test(text))?.slice("expires=".length);
    const isOver =
      maxAge === undefined ? Date.parse(expires ?? "") <= Date.now() : Number(maxAge) <= 0;
    if (isOver) this.cookies.delete(name);
    else this.cookies.set(name, value);
  }
}
