// The line between a client and its server, which can be cut.

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { HandlerHarness } from "../../src/testing.ts";

export interface Line {
  /** Where a client has to go to get to the server. */
  readonly url: string;
  /** How many commands have been sent over it. */
  readonly commands: number;
  /** From now on answers do not get through, and what is asked does. */
  mute(): void;
  /** Ends all connections, and takes none until it is mended. */
  cut(): void;
  mend(): void;
  close(): Promise<void>;
}

/** A line to the server at `port` of the loopback. */
export async function lineTo(port: number): Promise<Line> {
  const sockets = new Set<Socket>();
  let isCut = false;
  let isMute = false;
  let commands = 0;
  const line = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.setNoDelay();
      socket.on("error", () => other.destroy()); // it is closed next
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.on("data", (bytes: Buffer) => {
        // A command is a list of strings, `*3 $3 SET ...`.
        if (socket === near)
          commands += bytes.toString("latin1").match(/\*\d+\r\n\$/g)?.length ?? 0;
        if (socket === near || !isMute) other.write(bytes);
      });
    }
    if (isCut) near.destroy();
  }).listen(0, "127.0.0.1");
  await once(line, "listening");
  const destroyAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `redis://127.0.0.1:${(line.address() as AddressInfo).port}`,
    get commands() {
      return commands;
    },
    mute() {
      isMute = true;
    },
    cut() {
      isCut = true;
      destroyAll();
    },
    mend() {
      isCut = false;
      isMute = false;
    },
    async close() {
      destroyAll();
      line.close();
      await once(line, "close");
    },
  };
}

/** A place whose client goes over this line: it is broken when that is cut, and both are closed. */
export function brokenBy(
  line: Line,
  place: { close(): void },
): Pick<HandlerHarness, "breakPlace" | "close"> {
  return {
    breakPlace: () => line.cut(),
    async close() {
      place.close();
      await line.close();
    },
  };
}
