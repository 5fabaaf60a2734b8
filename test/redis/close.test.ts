// A process ends by itself when its handler is closed, whatever has become of the connection.

import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { has } from "../_needs.ts";
import { start } from "../_process.ts";
import { startRedis } from "./_server.ts";

const built = fileURLToPath(new URL("../../dist/redis.js", import.meta.url));

/** Has a process find this client alone, as if the other were not installed. */
const withOnly = (client: string): string => `data:text/javascript,
  import { register } from "node:module";
  register("data:text/javascript," + encodeURIComponent(\`
    export function resolve(name, context, next) {
      if (!["ioredis", "redis"].includes(name) || name === "${client}") return next(name, context);
      throw Object.assign(new Error("not here"), { code: "ERR_MODULE_NOT_FOUND" });
    }\`));`;

/** What such a process says of a miss before it closes the handler; rejects when it does not end well. */
async function closing(client: string, url: string): Promise<string> {
  const code = `
    import { RedisHandler } from ${JSON.stringify(built)};
    const handler = new RedisHandler({ url: ${JSON.stringify(url)}, timeout: 1 });
    console.log(await handler.retrieve("id").then(JSON.stringify, (error) => error.message));
    await handler.close();`;
  const args = ["--import", withOnly(client), "--input-type=module", "--eval", code];
  const { line, done } = start(process.execPath, args);
  const said = await line();
  await done;
  return said;
}

describe.runIf(has("redis-server"))("a process whose RedisHandler is closed", () => {
  describe.each(["ioredis", "redis"])("with only %s installed", (client) => {
    it("ends", async () => {
      await using server = await startRedis();
      expect(await closing(client, server.url)).toBe("{}");
    });

    it("ends, though Redis was never there", async () => {
      const server = await startRedis();
      await server.close();
      expect(await closing(client, server.url)).toMatch(/not connected within 1 s: .*ECONNREFUSED/);
    });
  });
});
