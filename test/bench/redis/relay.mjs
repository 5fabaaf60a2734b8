// Stands between a client and Redis, and notes what goes through: the commands as the client sends
// them, and all bytes. What a script does inside Redis is none of them.

import { once } from "node:events";
import { connect, createServer } from "node:net";

/** A relay to `port`: `{ port, take(), close() }`. `take` gives what went through since it was last asked. */
export async function relayTo(port) {
  let seen = nothing();
  const sockets = new Set();
  const relay = createServer({ noDelay: true }, (client) => {
    const server = connect({ port, host: "127.0.0.1", noDelay: true });
    let rest = Buffer.alloc(0);
    client.on("data", (bytes) => {
      seen.sent += bytes.length;
      rest = Buffer.concat([rest, bytes]);
      for (let found = firstCommand(rest); found; found = firstCommand(rest)) {
        seen.commands.push(found.name);
        rest = rest.subarray(found.length);
      }
      server.write(bytes);
    });
    server.on("data", (bytes) => {
      seen.received += bytes.length;
      client.write(bytes);
    });
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ]) {
      sockets.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => other.destroy());
    }
  });
  relay.listen(0, "127.0.0.1");
  await once(relay, "listening");
  return {
    port: relay.address().port,
    take: () => {
      const taken = seen;
      seen = nothing();
      return taken;
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      relay.close();
    },
  };
}

function nothing() {
  return { commands: [], sent: 0, received: 0 };
}

/** The first command in `bytes`, an array of strings as every client sends it, if all of it is there. */
function firstCommand(bytes) {
  let at = 0;
  const number = () => {
    const end = bytes.indexOf("\r\n", at);
    if (end === -1) return undefined;
    const value = Number(bytes.toString("latin1", at + 1, end));
    at = end + 2;
    return value;
  };
  let name;
  let words = number();
  if (words === undefined) return undefined;
  for (; words > 0; words--) {
    const length = number();
    if (length === undefined || at + length + 2 > bytes.length) return undefined;
    name ??= bytes.toString("latin1", at, at + length).toUpperCase();
    at += length + 2;
  }
  return { name, length: at };
}
