// The servers of docs/h3.md, as they stand there: each in a process of its own, visited as it says.

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { transformSync } from "rolldown/utils";
import { describe, expect, it, onTestFinished } from "vitest";
import { tempDir } from "./_dir.ts";

const page = readFileSync(new URL("../docs/h3.md", import.meta.url), "utf8");
const cache = fileURLToPath(new URL("../node_modules/.cache/", import.meta.url));

/** Runs the server that the page shows for this major. Gives where it is. */
async function serve(h3: string, fence: string, dir: string): Promise<string> {
  const [, code = ""] =
    new RegExp(`^${fence}\\n(// server\\.ts\\n.*?)^\`\`\``, "ms").exec(page) ?? [];
  // Inside of the package, where its dependencies are found.
  mkdirSync(cache, { recursive: true });
  const place = mkdtempSync(join(cache, "h3-page-"));
  onTestFinished(() => rmSync(place, { recursive: true }));
  const file = join(place, "server.mjs");
  writeFileSync(file, transformSync("server.ts", code.replace('from "h3"', `from "${h3}"`)).code);
  const port = await freePort();
  const env = { ...process.env, PORT: String(port), SESSION_DIR: join(dir, "sessions") };
  const child = spawn(process.execPath, [file], { env, stdio: ["ignore", "ignore", "pipe"] });
  onTestFinished(() => void child.kill());
  let said = "";
  child.stderr.on("data", (text: Buffer) => (said += text.toString()));
  const url = `http://localhost:${port}`;
  while (child.exitCode === null) {
    const isThere = await fetch(`${url}/me`).then(
      () => true,
      () => false,
    );
    if (isThere) return url;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(said);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

describe.each([
  ["h3-v1", "```ts"],
  ["h3-v2", "```ts h3@2"],
])("docs/h3.md: %s", (h3, fence) => {
  it("serves a visit, a log-in, a page for who is logged in, and a log-out", async () => {
    const dir = tempDir();
    const url = await serve(h3, fence, dir);
    let cookie = "";
    const send = async (path: string, init: RequestInit = {}): Promise<Response> => {
      const response = await fetch(url + path, { ...init, headers: { ...init.headers, cookie } });
      for (const text of response.headers.getSetCookie()) cookie = text.split(";")[0] ?? "";
      return response;
    };

    expect((await send("/me")).status).toBe(401);
    expect(await (await send("/")).json()).toEqual({ visits: 1 });
    expect(cookie).toMatch(/^session=[\w-]{43}$/);
    expect(await (await send("/")).json()).toEqual({ visits: 2 });
    const before = cookie;
    const headers = { "content-type": "application/json" };
    await send("/login", { method: "POST", headers, body: '{"user":"Ada"}' });
    expect(cookie).not.toBe(before);
    expect(await (await send("/me")).json()).toMatchObject({ user: "Ada" });
    expect(readdirSync(join(dir, "sessions"))).toHaveLength(1);
    const answer = await send("/logout", { method: "POST" });
    expect([answer.ok, await answer.text(), cookie]).toEqual([true, "", "session="]);
    expect((await send("/me")).status).toBe(401);
    expect(readdirSync(join(dir, "sessions"))).toEqual([]);
  });
});
