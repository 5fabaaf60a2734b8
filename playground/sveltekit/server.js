// What `node build` does, and plain http on localhost as well. Where no proxy says which it is,
// adapter-node takes every request for https, and then a form posted over http for another site's.

import { createServer } from "node:http";

const { HOST = "localhost", PORT = "3000" } = process.env;

process.env.PROTOCOL_HEADER ??= "x-forwarded-proto";
const { handler } = await import("./build/handler.js");

createServer((request, response) => {
  request.headers["x-forwarded-proto"] ??= "http";
  handler(request, response);
}).listen(Number(PORT), HOST);
