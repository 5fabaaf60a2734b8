// server.mjs <stack> <way> <place>: one server, in a process of its own. It says where it listens
// and how much CPU it has used.

import { createServer } from "node:http";
import { answer } from "../child.mjs";

process.env.NODE_ENV = "production"; // before anything that asks for it is loaded
const [stack, way, place] = process.argv.slice(2);

const stacks = {
  "h3 1": async () => (await import("./h3.mjs")).h3Listener(1, way, place),
  "h3 2": async () => (await import("./h3.mjs")).h3Listener(2, way, place),
  nitro: async () => (await import("./nitro.mjs")).nitroListener(place),
  express: async () => (await import("./express.mjs")).expressListener(way, place),
};

const listener = await stacks[stack]();
console.error = () => undefined; // h3 1 prints whatever is thrown
const server = createServer(listener);
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
answer({
  port: () => server.address().port,
  cpuMicros: () => {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
});
