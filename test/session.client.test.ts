import { describe, expect, it } from "vitest";
import type { FileSessionConfig } from "../src/session/config.ts";
import { clientAddress, type H3EventLike } from "../src/session/event.ts";
import { useFileSession } from "../src/session/use.ts";
import { describeH3 } from "./_h3.ts";
import { filesIn, tempDir } from "./_dir.ts";

const from = (address: string) => ({ "x-forwarded-for": address });

describeH3("the client's address", (h3) => {
  const ipWith = async (config: FileSessionConfig, headers: Record<string, string> = {}) => {
    const fileDir = tempDir();
    const site = await h3.serve({
      "/": async (event) =>
        (await (await useFileSession(event, { fileDir, ...config })).update({ n: 1 })).ip,
    });
    return (await site.visitor().get("/", headers)).text;
  };
  const peer = h3.overNode ? "127.0.0.1" : "";

  it("is that of the connection, whatever the client says, and is recorded", async () => {
    expect(await ipWith({})).toBe(peer);
    expect(await ipWith({}, from("203.0.113.9"))).toBe(peer);
  });

  it("is what the nearest proxy saw with `trustProxy: true`, never what the client wrote before it", async () => {
    const spoofed = from("203.0.113.9, 198.51.100.7");
    expect(await ipWith({ trustProxy: true }, spoofed)).toBe("198.51.100.7");
    expect(await ipWith({ trustProxy: true }, from("2001:DB8::1"))).toBe("2001:db8::1");
  });

  it("is what the outermost of n proxies saw with `trustProxy: n`", async () => {
    const chain = from("203.0.113.9, 198.51.100.7, 10.0.0.1");
    expect(await ipWith({ trustProxy: 2 }, chain)).toBe("198.51.100.7");
    expect(await ipWith({ trustProxy: 3 }, chain)).toBe("203.0.113.9");
  });

  it("is that of the connection when there is no address at that place", async () => {
    for (const header of ["", "unknown", "198.51.100.7, ", "198.51.100.7, evil", "a".repeat(4000)])
      expect(await ipWith({ trustProxy: true }, from(header))).toBe(peer);
    expect(await ipWith({ trustProxy: 2 }, from("198.51.100.7"))).toBe(peer);
    expect(await ipWith({ trustProxy: true })).toBe(peer);
  });

  it("is IPv4 also when it came in over IPv6", async () => {
    expect(await ipWith({ trustProxy: true }, from("::ffff:198.51.100.7"))).toBe("198.51.100.7");
  });
});

describe("clientAddress", () => {
  it("takes what the platform put into the context where there is no socket", () => {
    const request = { headers: new Headers() };
    const event = { req: request, context: { clientAddress: "198.51.100.7" } };
    expect(clientAddress(event as unknown as H3EventLike, 0)).toBe("198.51.100.7");
  });
});

describeH3("checkIp", (h3) => {
  const served = async (config: FileSessionConfig) => {
    const fileDir = tempDir();
    const site = await h3.serve({
      "/login": async (event) => {
        await (await useFileSession(event, { fileDir, ...config })).update({ user: 1 });
        return "";
      },
      "/": async (event) => (await useFileSession(event, { fileDir, ...config })).data,
    });
    return { visitor: site.visitor(), files: () => filesIn(fileDir) };
  };

  it("makes a session a miss for another address, and keeps it for its own", async () => {
    const { visitor, files } = await served({ checkIp: true, trustProxy: true });
    await visitor.get("/login", from("198.51.100.7"));
    expect((await visitor.get("/", from("198.51.100.7"))).json).toEqual({ user: 1 });
    expect((await visitor.get("/", from("198.51.100.8"))).json).toEqual({});
    expect(files()).toHaveLength(1);
    expect((await visitor.get("/", from("198.51.100.7"))).json).toEqual({ user: 1 });
  });

  it("is off by default", async () => {
    const { visitor } = await served({ trustProxy: true });
    await visitor.get("/login", from("198.51.100.7"));
    expect((await visitor.get("/", from("198.51.100.8"))).json).toEqual({ user: 1 });
  });

  // A connection that Node has accepted always has an address.
  if (h3.overNode) return;
  it("takes an unknown address for another one", async () => {
    const { visitor } = await served({ checkIp: true });
    await visitor.get("/login");
    expect((await visitor.get("/")).json).toEqual({});
  });
});
