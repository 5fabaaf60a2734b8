// serve.mjs <dir> <threads>: a server with a page that counts visits in a session, and one that has
// none.

import { createServer } from "node:http";
import { H3 } from "h3-v2";
import { toNodeHandler } from "h3-v2/node";
// By its path: a package.json beside the peers hides the package's own name.
import { FileHandler, useFileSession } from "../../../dist/index.js";
import { answer } from "../child.mjs";

const [fileDir, threads] = process.argv.slice(2);
const handler = new FileHandler({ fileDir, threads: Number(threads) });
const app = new H3({ silent: true })
  .get("/other", () => "ok")
  .get("/session", async (event) => {
    const session = await useFileSession(event, { handler, cleanInterval: 0 });
    await session.update(({ n = 0 }) => ({ n: n + 1 }));
    return String(session.data.n);
  });

const server = createServer({ keepAliveTimeout: 600_000 }, toNodeHandler(app)); // nobody is slower than that
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
answer({ port: () => server.address().port, pid: () => process.pid });
