// One command to a Redis server over a connection of its own: no client under test has a part in it.
// https://redis.io/docs/latest/develop/reference/protocol-spec, of which RESP2 is enough.

import { connect } from "node:net";

/** What a server answers with `-`. The message is its text, the first word of which is the code. */
export class ReplyError extends Error {
  override name = "ReplyError";
}

/**
 * What the server at this port of the loopback answers: a string, a number, null or an array of
 * them. Rejects with what it answers with `-`, and when the connection ends before the answer.
 */
export async function call(port: number, args: string[]): Promise<unknown> {
  const socket = connect(port, "127.0.0.1");
  try {
    socket.write([`*${args.length}\r\n`, ...args.map(bulk)].join(""));
    let received = Buffer.alloc(0);
    for await (const chunk of socket) {
      received = Buffer.concat([received, chunk as Buffer]);
      const reply = parse(received, 0);
      if (reply === undefined) continue;
      if (reply.value instanceof ReplyError) throw reply.value;
      return reply.value;
    }
    throw new Error(`The server at ${port} closed before it answered ${args[0]}.`);
  } finally {
    socket.destroy();
  }
}

const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;

interface Reply {
  value: unknown;
  /** Where the next one begins. */
  end: number;
}

/** The reply that begins there; undefined when it is not whole yet. */
function parse(bytes: Buffer, start: number): Reply | undefined {
  const lineEnd = bytes.indexOf("\r\n", start);
  if (lineEnd === -1) return undefined;
  const line = bytes.toString("utf8", start + 1, lineEnd);
  const end = lineEnd + 2;
  switch (String.fromCharCode(bytes[start]!)) {
    case "+":
      return { value: line, end };
    case "-":
      return { value: new ReplyError(line), end };
    case ":":
      return { value: Number(line), end };
    case "$":
      return parseBulk(bytes, end, Number(line));
    case "*":
      return parseArray(bytes, end, Number(line));
    default:
      throw new Error(`Not RESP2: ${bytes.toString("latin1", start, lineEnd)}`);
  }
}

function parseBulk(bytes: Buffer, start: number, size: number): Reply | undefined {
  if (size === -1) return { value: null, end: start };
  const end = start + size + 2;
  if (bytes.length < end) return undefined;
  return { value: bytes.toString("utf8", start, end - 2), end };
}

function parseArray(bytes: Buffer, start: number, count: number): Reply | undefined {
  if (count === -1) return { value: null, end: start };
  const value: unknown[] = [];
  let end = start;
  for (let n = 0; n < count; n++) {
    const item = parse(bytes, end);
    if (item === undefined) return undefined;
    value.push(item.value);
    end = item.end;
  }
  return { value, end };
}
