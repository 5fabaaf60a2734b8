// A session's cookie, as those have it who come with it.

import { badOption } from "../core/error.ts";

/** The cookie of a session that is there already. */
export interface ReadyCookie {
  /** What the session is stored under. */
  id: string;
  /** The name of the cookie. */
  name: string;
  /** The token: who sends it is in the session. */
  value: string;
  /** What a request has in its `Cookie` header. */
  header: string;
  /** What `addCookies` of Playwright's contexts takes, and `setCookie` of Puppeteer's. */
  forBrowser: BrowserCookie;
}

/** A cookie, as browsers are told of it by those who drive them. */
export interface BrowserCookie {
  name: string;
  value: string;
  /** With a dot in front: for its subdomains too. */
  domain: string;
  path: string;
  /** In seconds since the epoch; -1: until the browser is closed. */
  expires: number;
  httpOnly: boolean;
  secure: boolean;
  sameSite: "Strict" | "Lax" | "None";
}

/** What `useFileSession` uses of a request and its response. */
export interface Visit {
  req: { headers: Headers; ip: string };
  res: { headers: Headers };
  url: URL;
  context: object;
}

/** A first visit to the app at `url`: it has no cookie yet. */
export function firstVisit(url: string | URL, ip: string): Visit {
  return {
    req: { headers: new Headers(), ip },
    res: { headers: new Headers() },
    url: addressOf(url),
    context: {},
  };
}

function addressOf(url: string | URL): URL {
  const address = URL.canParse(url) ? new URL(url) : undefined;
  if (address && /^https?:$/.test(address.protocol)) return address;
  throw badOption("url", url, "where the app is: an address with http:// or https://");
}

/** The cookie that the response to a visit has set, of the session `id`. */
export function cookieOf({ res, url }: Visit, id: string): ReadyCookie {
  const [pair = "", ...rest] = (res.headers.getSetCookie()[0] ?? "").split("; ");
  const attributes = new Map(rest.map(splitAtEqual));
  const [name, value] = splitAtEqual(pair);
  const domain = attributes.get("Domain");
  return {
    id,
    name,
    value,
    header: pair,
    forBrowser: {
      name,
      value,
      domain: domain === undefined ? url.hostname : `.${domain.replace(/^\./, "")}`,
      path: attributes.get("Path") ?? "/",
      expires: endOf(attributes),
      httpOnly: attributes.has("HttpOnly"),
      secure: attributes.has("Secure"),
      sameSite: sameSiteOf(attributes.get("SameSite")),
    },
  };
}

function splitAtEqual(text: string): [name: string, value: string] {
  const [name = "", value = ""] = text.split(/=(.*)/s);
  return [name, value];
}

// RFC 6265 section 5.3: `Max-Age` comes first.
function endOf(attributes: Map<string, string>): number {
  const maxAge = attributes.get("Max-Age");
  const expires = attributes.get("Expires");
  if (maxAge !== undefined) return Math.floor(Date.now() / 1000) + Number(maxAge);
  return expires === undefined ? -1 : Date.parse(expires) / 1000;
}

function sameSiteOf(text: string | undefined): BrowserCookie["sameSite"] {
  return text === "Strict" || text === "None" ? text : "Lax"; // what browsers take it for without one
}
