// The playground as it is deployed: built for production, two processes on one directory; or two behind
// a proxy, each with a directory of its own, on one Redis. Nothing is mocked.

import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
  onTestFinished,
} from "vitest";
import { buildPlaygrounds, nitros } from "./build.ts";
import { has } from "../_needs.ts";
import { type RedisServer, startRedis } from "../redis/_server.ts";
import { args, executablePath } from "./chromium.ts";
import { type Proxy, startProxy } from "./proxy.ts";
import { type Server, startServer } from "./server.ts";
import { type Looked, Visitor } from "./visitor.ts";

const day = 86_400_000;
const firefox = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0";
const iPhone =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1";

// The same list for both, since the app is the same. What runs it: framework.ts, and nitro3/framework.ts.
let scripts: string[];
beforeAll(async () => {
  scripts = await buildPlaygrounds();
}, 60_000);
afterAll(async () => {
  await Promise.all((scripts ?? []).map((script) => remove(dirname(dirname(script)))));
});

function remove(dir: string): Promise<void> {
  return rm(dir, { recursive: true, force: true });
}

interface Place {
  /** What a server is told of it. */
  env: NodeJS.ProcessEnv;
  /** The directories that servers are started in. */
  cwds: string[];
  /** Gives that of the next server. */
  newCwd(): Promise<string>;
  /** The ids of all sessions there. */
  ids(): Promise<string[]>;
  close(): Promise<void>;
}

interface RedisPlace extends Place {
  redis: RedisServer;
}

/** One directory for all servers: `./.data/sessions` is in it, for both doors of all of them. */
async function inFiles(): Promise<Place> {
  const cwd = await mkdtemp(join(tmpdir(), "filesession-e2e-"));
  return {
    env: {},
    cwds: [cwd],
    newCwd: async () => cwd,
    async ids() {
      const names = await readdir(join(cwd, ".data/sessions")).catch(() => []);
      return names.flatMap((name) => /^sess_([0-9a-f]+)$/.exec(name)?.[1] ?? []).sort();
    },
    close: () => remove(cwd),
  };
}

/** One Redis for all servers, which has on disk what it has acknowledged. */
async function inRedis(): Promise<RedisPlace> {
  const redis = await startRedis({ args: ["--appendonly", "yes", "--appendfsync", "always"] });
  const cwds: string[] = [];
  return {
    redis,
    env: { NITRO_FILE_SESSION_REDIS_URL: redis.url },
    cwds,
    async newCwd() {
      const cwd = await mkdtemp(join(tmpdir(), "filesession-e2e-"));
      cwds.push(cwd);
      return cwd;
    },
    async ids() {
      const keys = (await redis.call("KEYS", "sess:{*}")) as string[];
      return keys.flatMap((key) => /^sess:\{([0-9a-f]+)\}$/.exec(key)?.[1] ?? []).sort();
    },
    async close() {
      await redis.close();
      await Promise.all(cwds.map(remove));
    },
  };
}

const places = [
  { name: "one directory", open: inFiles, isProxied: false },
  ...(has("redis-server") ? [{ name: "one Redis", open: inRedis, isProxied: true }] : []),
];

for (const { name, open } of places)
  it(`Nitro 2 and Nitro 3 share ${name}`, async () => {
    const { env, newCwd, close } = await open();
    onTestFinished(close);
    const servers = await Promise.all(
      scripts.map(async (script) => startServer(script, await newCwd(), env)),
    );
    onTestFinished(async () => void (await Promise.all(servers.map((server) => server.kill()))));
    const visitor = new Visitor();
    await visitor.post(servers[0]!, "/race/start");
    await visitor.post(servers[0]!, "/cart", { add: "stamp" });

    const fifty = Array.from({ length: 50 }, (_, i) => servers[i % servers.length]!);
    await Promise.all(fifty.map((server) => visitor.post(server, "/race/ours")));
    await visitor.post(servers[1]!, "/cart", { add: "stamp" });

    for (const server of servers) {
      const { data } = await visitor.look(server);
      expect(data).toMatchObject({ "race.count": "number 50" });
      expect(data['cart.get("stamp").count']).toBe("number 2");
    }
    await visitor.post(servers[1]!, "/logout");
    expect((await visitor.look(servers[0]!)).id).toBeNull();
  });

/** What a visitor goes to: a server, or the proxy before both. */
interface Door {
  url: string;
  /** Who may answer. */
  pids: number[];
}

const setups = places.flatMap(({ name, open, isProxied }) =>
  nitros.map(({ nitro }, index) => ({ name, open, isProxied, nitro, index })),
);

describe.each(setups)("$nitro, $name", ({ nitro, index, open, isProxied }) => {
  let place: Place;
  let servers: Server[];
  let proxy: Proxy | undefined;
  let one: Door;
  let two: Door;
  const running: Server[] = [];
  const nothing = open === inFiles ? "no file" : "no key";

  beforeAll(async () => {
    place = await open();
    servers = await Promise.all([start(), start()]);
    if (isProxied) proxy = await startProxy(servers);
    const pids = servers.map(({ pid }) => pid);
    [one, two] = servers.map(({ url, pid }) =>
      proxy ? { url: proxy.url, pids } : { url, pids: [pid] },
    ) as [Door, Door];
  }, 60_000);

  afterAll(async () => {
    await proxy?.close();
    await Promise.all(running.map((server) => server.kill()));
    await place?.close();
  });

  async function start(): Promise<Server> {
    const server = await startServer(scripts[index]!, await place.newCwd(), place.env);
    running.push(server);
    return server;
  }

  /** Sets the clocks of both servers, until the test is over. */
  async function setClocksAhead(ms: number): Promise<void> {
    onTestFinished(() => setBoth(0));
    await setBoth(ms);
  }

  async function setBoth(ms: number): Promise<void> {
    await Promise.all(servers.map((server) => server.setClockAhead(ms)));
  }

  describe("two servers", () => {
    it("keep nothing about a visitor who stores nothing", async () => {
      const visitor = new Visitor();
      const before = await place.ids();

      const looked = await visitor.look(one);

      expect(looked).toMatchObject({ id: null, isNew: true, data: {} });
      expect(visitor.cookies.size).toBe(0);
      expect(await place.ids()).toEqual(before);
    });

    it("take an unknown and a malformed cookie for no session, and make none of them", async () => {
      const before = await place.ids();
      for (const token of ["A".repeat(43), "../../../etc/passwd", "%00", ""]) {
        const visitor = new Visitor();
        visitor.cookies.set("session", token);
        expect((await visitor.look(one)).id).toBeNull();
      }
      expect(await place.ids()).toEqual(before);
    });

    it("count one visitor's visits together", async () => {
      const visitor = new Visitor();

      const served: number[] = [];
      for (const server of [one, two, two]) {
        const page = await (await visitor.get(server, "/")).text();
        served.push(Number(/id="pid"[^>]*>(\d+)/.exec(page)?.[1]));
        expect(server.pids).toContain(served.at(-1));
      }

      const { data } = await visitor.look(one);
      expect(data["visits"]).toBe("number 3");
      for (const { pid } of servers) {
        const times = served.filter((each) => each === pid).length;
        expect(data[`servedBy.get(${pid})`]).toBe(`number ${times}`);
      }
    });

    it("send a cookie that scripts and other sites cannot use, and that no cache keeps", async () => {
      const response = await new Visitor().get(one, "/");

      const [cookie, ...more] = response.headers.getSetCookie();
      expect(more).toEqual([]);
      expect(cookie).toMatch(/^session=[\w-]{43};/);
      expect(cookie).toContain("HttpOnly");
      expect(cookie).toContain("SameSite=Lax");
      expect(cookie).toContain("Path=/");
      expect(response.headers.get("vary")).toMatch(/cookie/i);
      expect(response.headers.get("cache-control")).toContain("no-cache");
    });

    it("give a new id and cookie at login; with the old ones one looks on for the grace, and changes nothing", async () => {
      const visitor = new Visitor();
      await visitor.get(one, "/");
      const { id } = await visitor.look(one);
      const thief = new Visitor();
      thief.cookies.set("session", visitor.cookies.get("session")!);
      expect((await thief.look(two)).id).toBe(id);

      const response = await visitor.post(one, "/login", { name: "Grace" });

      expect(response.status).toBe(303);
      const after = await visitor.look(two);
      expect(after.id).not.toBe(id);
      expect(after.data).toMatchObject({ visits: "number 1", "user.name": 'string "Grace"' });
      await setClocksAhead(-60_000); // a minute more of the grace, however slow this machine is
      for (const server of [one, two]) {
        const page = await thief.get(server, "/");
        expect(page.status).toBe(200);
        expect(page.headers.getSetCookie()).toEqual([]);
        expect((await thief.look(server)).id).toBe(after.id);
        expect((await thief.post(server, "/cart", { add: "cards" })).status).toBe(409);
        expect((await thief.post(server, "/logout")).status).toBe(409);
      }
      expect((await visitor.look(one)).data).toEqual(after.data);
    });

    it("let the cookie from before a login die everywhere, when the grace is over", async () => {
      const visitor = new Visitor();
      await visitor.get(one, "/");
      const thief = new Visitor();
      thief.cookies.set("session", visitor.cookies.get("session")!);
      await visitor.post(one, "/login", { name: "Grace" });
      const { id } = await visitor.look(one);

      await setClocksAhead(6000);

      expect((await thief.look(one)).id).toBeNull();
      expect((await thief.look(two)).id).toBeNull();
      expect((await visitor.look(two)).id).toBe(id);
    });

    it("take nothing of one user along to the next", async () => {
      const visitor = new Visitor();
      await visitor.post(one, "/login", { name: "Grace", remember: "yes" });
      await visitor.post(one, "/cart", { add: "stamp" });
      const { id } = await visitor.look(one);

      await visitor.post(two, "/login", { name: "Hedy" });

      const after = await visitor.look(one);
      expect(after.id).not.toBe(id);
      expect(after.data).toMatchObject({ "user.name": 'string "Hedy"' });
      expect(Object.keys(after.data)).not.toContain("cart");
      expect(after.expires).toBeLessThan(Date.now() + 2 * day);
      expect(await place.ids()).not.toContain(id);
    });

    it("forget a session at logout, on disk and in the browser", async () => {
      const visitor = new Visitor();
      await visitor.get(one, "/");
      await visitor.post(one, "/login", { name: "Grace" });
      const { id } = await visitor.look(one);
      const token = visitor.cookies.get("session")!;

      await visitor.post(two, "/logout");

      expect(visitor.cookies.has("session")).toBe(false);
      expect(await place.ids()).not.toContain(id);
      const thief = new Visitor();
      thief.cookies.set("session", token);
      expect(await thief.look(one)).toMatchObject({ id: null, data: {} });
    });

    it("give back dates, maps and bigints as they went in", async () => {
      const visitor = new Visitor();
      const start = Date.now();
      await visitor.post(one, "/cart", { add: "stamp" });
      await visitor.post(two, "/cart", { add: "stamp" });
      await visitor.post(one, "/cart", { add: "cards" });
      await visitor.post(two, "/cart", { remove: "cards" });

      const { data } = await visitor.look(one);

      expect(data["cart"]).toBe("Map 1 entry");
      expect(data['cart.get("stamp").count']).toBe("number 2");
      expect(data['cart.get("stamp").cents']).toBe("bigint 1890n");
      const [type, added] = data['cart.get("stamp").added']!.split(" ");
      expect(type).toBe("Date");
      expect(Date.parse(added!)).toBeGreaterThanOrEqual(start);
      expect(Date.parse(added!)).toBeLessThanOrEqual(Date.now());
    });

    if (open === inFiles)
      it("keep each session in a file that only its owner can read, and show it as it is", async () => {
        const visitor = new Visitor();
        await visitor.post(one, "/cart", { add: "folder" });
        const { id } = await visitor.look(one);
        const dir = join(place.cwds[0]!, ".data/sessions");

        const text = await readFile(join(dir, `sess_${id}`), "utf8");

        expect((await stat(join(dir, `sess_${id}`))).mode & 0o777).toBe(0o600);
        expect((await stat(dir)).mode & 0o777).toBe(0o700);
        expect(text).toContain("folder");
        expect(text).not.toContain(visitor.cookies.get("session"));
        const page = await (await visitor.get(two, "/?after=cart")).text();
        expect(page).toContain(`cat .data/sessions/sess_${id}`);
        expect(page).toContain("-rw-------");
      });

    if (open === inRedis)
      it("keep each session in a key of Redis, show it as it is, and nothing on their disks", async () => {
        const { redis, cwds } = place as RedisPlace;
        const visitor = new Visitor();
        await visitor.post(one, "/cart", { add: "folder" });
        const { id } = await visitor.look(one);

        const text = await redis.call("GET", `sess:{${id}}`);

        expect(text).toContain("folder");
        expect(text).not.toContain(visitor.cookies.get("session"));
        const page = await (await visitor.get(two, "/?after=cart")).text();
        expect(page).toContain(`redis-cli GET sess:{${id}}`);
        expect(new Set(cwds).size).toBe(running.length);
        for (const cwd of cwds) expect(await readdir(cwd)).toEqual([]);
      });

    it("see the sessions through the mounted storage too", async () => {
      type Mount = { keys: string[]; items: { key: string; mtime?: string }[]; same: boolean };
      const visitor = new Visitor();
      const start = Date.now();
      await visitor.get(one, "/");
      await visitor.post(one, "/cart", { add: "folder" });
      const { id } = await visitor.look(one);

      for (const server of [one, two]) {
        const { keys, items, same } = await visitor.json<Mount>(server, "/api/storage");
        expect(keys).toContain(id);
        expect(same).toBe(true);
        const item = items.find(({ key }) => key === id);
        expect(Date.parse(item!.mtime!)).toBeGreaterThan(start - 1000);
      }
    });

    it("lose nothing when fifty requests meet, where the naive way does", async () => {
      const visitor = new Visitor();
      await visitor.post(one, "/race/start");
      const fifty = Array.from({ length: 50 }, (_, i) => (i % 2 ? one : two));

      const responses = await Promise.all([
        ...fifty.map((server) => visitor.post(server, "/race/ours")),
        ...fifty.map((server) => visitor.post(server, "/race/naive")),
      ]);

      expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([200]));
      const { ours, naive } = await visitor.json<{ ours: number; naive: number }>(two, "/race");
      expect(ours).toBe(50);
      expect(naive).toBeGreaterThan(0);
      expect(naive).toBeLessThanOrEqual(50);
    });

    it("make no session in a cached handler, and serve everybody the same", async () => {
      const visitor = new Visitor();
      await visitor.get(one, "/");
      const before = await place.ids();

      const known = await visitor.get(one, "/api/cached");
      const stranger = await new Visitor().get(one, "/api/cached");

      for (const response of [known, stranger]) {
        expect(response.headers.getSetCookie()).toEqual([]);
        const { id, pid } = (await response.json()) as Looked;
        expect(id).toBeNull();
        expect(one.pids).toContain(pid);
      }
      expect(await place.ids()).toEqual(before);
    });

    it("refuse a form that makes no sense, and store nothing of it", async () => {
      const visitor = new Visitor();
      expect((await visitor.post(one, "/login", { name: " " })).status).toBe(400);
      expect((await visitor.post(one, "/cart", { add: "elephant" })).status).toBe(400);
      expect((await visitor.post(one, "/race/ours")).status).toBe(409);
      expect(visitor.cookies.size).toBe(0);
    });

    it("put no markup of a visitor's on the page", async () => {
      const visitor = new Visitor();
      await visitor.post(one, "/login", { name: "<script>alert(1)</script>" });
      const page = await (await visitor.get(one, "/")).text();
      expect(page).not.toContain("<script>alert");
    });

    it("keep what was acknowledged when one of them is killed under load, and find it again after a restart", async () => {
      const doomed = await start();
      const front = isProxied ? await startProxy([doomed, servers[0]!]) : doomed;
      if ("close" in front) onTestFinished(() => front.close());
      const visitors = Array.from({ length: 10 }, () => ({
        visitor: new Visitor(),
        acknowledged: 0,
      }));
      for (const { visitor } of visitors) await visitor.post(front, "/race/start");
      let acknowledged = 0;
      let killed: Promise<void> | undefined;

      // Half of the work is still to be done when the server goes.
      const requests = Array.from({ length: 100 }, async (_, i) => {
        const mine = visitors[i % visitors.length]!;
        const { ok } = await mine.visitor.post(front, "/race/ours");
        if (!ok) return;
        mine.acknowledged += 1;
        acknowledged += 1;
        if (acknowledged === 50) killed = doomed.kill();
      });
      await Promise.allSettled(requests);
      await killed;

      expect(acknowledged).toBeGreaterThanOrEqual(50);
      const restarted = await start();
      if ("add" in front) front.add(restarted);
      for (const { visitor, acknowledged } of visitors) {
        const { ours } = await visitor.json<{ ours: number }>(two, "/race");
        expect(ours).toBeGreaterThanOrEqual(acknowledged);
        expect(ours).toBeLessThanOrEqual(10);
        const { pid, data } = await visitor.look(restarted);
        expect(pid).toBe(restarted.pid);
        expect(data).toMatchObject({ "race.count": `number ${ours}` });
      }
    });

    if (open === inRedis)
      it("find every session again when Redis was killed and is back", async () => {
        const { redis } = place as RedisPlace;
        const visitor = new Visitor();
        await visitor.post(one, "/cart", { add: "stamp" });
        const { id } = await visitor.look(one);
        await redis.kill();
        expect((await new Visitor().get(one, "/api/session")).status).toBe(200);

        const waiting = [one, two].map((server) => visitor.post(server, "/cart", { add: "stamp" }));
        await redis.restart();

        expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([303, 303]);
        const looked = await visitor.look(two);
        expect(looked.id).toBe(id);
        expect(looked.data['cart.get("stamp").count']).toBe("number 3");
      });
  });

  describe("a user with several devices", () => {
    async function logIn(name: string, userAgent?: string): Promise<Visitor> {
      const visitor = new Visitor(userAgent);
      await visitor.post(one, "/login", { name });
      return visitor;
    }

    it("sees them all, this one first, and nobody else's", async () => {
      const start = Date.now();
      const pc = await logIn("Emmy", firefox);
      const phone = await logIn("Emmy", iPhone);
      const script = await logIn("Emmy", "curl/8.14.1");
      const other = await logIn("Emmy Noether");

      const devices = await phone.devices(two);

      expect(devices.map(({ name, isThis }) => [name, isThis])).toEqual([
        ["Safari on iPhone", true],
        ["Unknown device", false],
        ["Firefox on Windows", false],
      ]);
      const ids = await Promise.all(
        [phone, script, pc].map(async (each) => (await each.look(one)).id),
      );
      expect(devices.map(({ id }) => id)).toEqual(ids);
      for (const { time, touched } of devices) {
        expect(time).toBeGreaterThanOrEqual(start);
        expect(touched).toBeGreaterThanOrEqual(time);
        expect(touched).toBeLessThanOrEqual(Date.now());
      }
      expect(await other.devices(two)).toHaveLength(1);
      expect(await new Visitor().devices(two)).toEqual([]);
    });

    it("logs one of them out, on disk and for every server", async () => {
      const pc = await logIn("Radia", firefox);
      const phone = await logIn("Radia", iPhone);
      const { id } = await phone.look(one);
      await pc.get(one, "/"); // hears its welcome

      const response = await pc.post(two, "/devices/destroy", { id: id! });

      expect(response.status).toBe(303);
      expect(await pc.notice(one, response.headers.get("location")!)).toBe(
        "Safari on iPhone is logged out.",
      );
      expect(await pc.devices(one)).toHaveLength(1);
      expect(await place.ids()).not.toContain(id);
      for (const server of [one, two]) expect((await phone.look(server)).id).toBeNull();
      expect(await phone.notice(two, "/")).toContain("another device has logged it out");
      expect(await phone.notice(two, "/")).toBe("");
      expect((await phone.look(one)).data).not.toHaveProperty("user.name");
    });

    it("is told so when the next thing that a logged-out device does is no look", async () => {
      const pc = await logIn("Radia Perlman", firefox);
      const phone = await logIn("Radia Perlman", iPhone);
      await pc.post(one, "/devices/destroy-others");

      const { headers } = await phone.post(one, "/cart", { add: "cards" });

      expect(await phone.notice(one, headers.get("location")!)).toContain("Your session is over");
      const { data } = await phone.look(one);
      expect(Object.keys(data)).toContain('cart.get("cards").count');
      expect(Object.keys(data)).not.toContain("user.name");
    });

    it("logs out nobody else, and not itself: that is 404", async () => {
      const visitor = await logIn("Katherine");
      const { id: own } = await visitor.look(one);
      const { id: foreign } = await (await logIn("Dorothy")).look(one);
      const stranger = new Visitor();
      await stranger.get(one, "/");
      const { id: anonymous } = await stranger.look(one);
      const before = await place.ids();

      for (const id of [foreign, anonymous, own, "a".repeat(64), "../x", ""]) {
        expect((await visitor.post(two, "/devices/destroy", { id: id! })).status).toBe(404);
        expect((await stranger.post(two, "/devices/destroy", { id: id! })).status).toBe(404);
      }
      expect((await visitor.post(two, "/devices/destroy")).status).toBe(404);
      await stranger.post(two, "/devices/destroy-others");

      expect(await place.ids()).toEqual(before);
    });

    it("logs out everywhere else, and nobody else", async () => {
      const devices = await Promise.all(
        [firefox, iPhone, undefined].map((ua) => logIn("Lise", ua)),
      );
      const [here, ...others] = devices as [Visitor, ...Visitor[]];
      const other = await logIn("Lise Meitner");
      await here.get(one, "/");

      const { headers } = await here.post(two, "/devices/destroy-others");

      expect(await here.notice(one, headers.get("location")!)).toBe(
        "2 other devices are logged out.",
      );
      expect(await here.devices(one)).toHaveLength(1);
      for (const each of others) expect((await each.look(two)).id).toBeNull();
      expect((await other.look(two)).id).not.toBeNull();
    });

    it("logs out nobody with the cookie from before a login", async () => {
      const phone = await logIn("Rosalind", iPhone);
      const { id } = await phone.look(one);
      const visitor = new Visitor(firefox);
      await visitor.get(one, "/");
      const thief = new Visitor();
      thief.cookies.set("session", visitor.cookies.get("session")!);
      await visitor.post(one, "/login", { name: "Rosalind" });
      await setClocksAhead(-60_000);
      expect(await thief.devices(one)).toHaveLength(2);

      expect((await thief.post(one, "/devices/destroy", { id: id! })).status).toBe(409);
      expect((await thief.post(one, "/devices/destroy-others")).status).toBe(409);

      expect((await phone.look(one)).id).toBe(id);
    });
  });

  describe("what is said once", () => {
    it("is for the next page, and for no other request", async () => {
      const visitor = new Visitor();
      await visitor.post(one, "/login", { name: "Ada" });

      await Promise.all([
        ...Array.from({ length: 10 }, (_, i) => visitor.look(i % 2 ? one : two)),
        ...Array.from({ length: 10 }, (_, i) =>
          visitor.post(i % 2 ? one : two, "/cart", { add: "cards" }),
        ),
      ]);

      expect(await visitor.notice(two, "/?after=login")).toBe("Welcome, Ada");
      expect(await visitor.notice(two, "/?after=login")).toBe("");
      expect((await visitor.look(one)).data['cart.get("cards").count']).toBe("number 10");
    });

    it("is said to one of the pages that ask at once", async () => {
      const visitor = new Visitor();
      await visitor.post(one, "/login", { name: "Ada" });
      const tabs = Array.from({ length: 10 }, (_, i) => visitor.notice(i % 2 ? one : two, "/"));
      expect((await Promise.all(tabs)).filter(Boolean)).toEqual(["Welcome, Ada"]);
    });
  });

  describe("a visitor who is remembered", () => {
    async function loggedIn(form: Record<string, string>): Promise<[Visitor, cookie: string]> {
      const visitor = new Visitor();
      await visitor.get(one, "/");
      const { headers } = await visitor.post(one, "/login", { name: "Grace", ...form });
      const cookies = headers.getSetCookie().filter((line) => line.startsWith("session="));
      expect(cookies).toHaveLength(1);
      return [visitor, cookies[0]!];
    }
    const maxAge = (cookie: string): number => Number(/max-age=(\d+)/i.exec(cookie)?.[1]) * 1000;

    it("has a cookie and a session for 30 days, where others have 7 and one unused", async () => {
      const start = Date.now();
      const [remembered, longCookie] = await loggedIn({ remember: "yes" });
      const [other, cookie] = await loggedIn({});

      const late = Date.now() - start + 1000; // what the test took, and what rounding takes
      const isAbout = (found: number, expected: number): void => {
        expect(found).toBeGreaterThan(expected - late);
        expect(found).toBeLessThanOrEqual(expected);
      };
      isAbout(maxAge(longCookie), 30 * day);
      isAbout(maxAge(cookie), 7 * day);
      isAbout((await remembered.look(two)).expires! - Date.now(), 30 * day);
      isAbout((await other.look(two)).expires! - Date.now(), day);
    });

    it("is known after two days and after four weeks, and not after five", async () => {
      const [remembered] = await loggedIn({ remember: "yes" });
      const [other] = await loggedIn({});
      const { id } = await remembered.look(two);

      await setClocksAhead(2 * day);
      expect((await other.look(one)).id).toBeNull();
      expect((await remembered.look(one)).id).toBe(id);
      await setClocksAhead(28 * day);
      expect((await remembered.look(two)).id).toBe(id);
      await setClocksAhead(35 * day);
      expect((await remembered.look(one)).id).toBeNull();
    });
  });

  // What a page of the one framework and of the other have in common does not depend on the place.
  const isShown = open === inFiles || nitro === "Nitro 2";
  describe.runIf(isShown && has("chromium"))("the page, in Chromium", () => {
    let browser: Browser;
    const contexts: BrowserContext[] = [];
    /** What no page may do: print an error, or ask another host for anything. */
    let complaints: string[];

    beforeAll(async () => {
      browser = await chromium.launch({ executablePath: executablePath!, args });
    });
    afterAll(() => browser?.close());
    beforeEach(() => {
      complaints = [];
    });
    afterEach(async () => {
      await Promise.all(contexts.splice(0).map((context) => context.close()));
      expect(complaints).toEqual([]);
    });

    /** A page in a browser of its own, which has no cookies yet. */
    async function openPage(options: Parameters<Browser["newContext"]>[0] = {}): Promise<Page> {
      const context = await browser.newContext(options);
      contexts.push(context);
      context.setDefaultTimeout(5000);
      const page = await context.newPage();
      page.on("pageerror", (error) => complaints.push(error.message));
      page.on("console", (message) => {
        if (["error", "warning"].includes(message.type())) complaints.push(message.text());
      });
      page.on("request", (request) => {
        if (!request.url().startsWith("http://localhost:")) complaints.push(request.url());
      });
      return page;
    }

    const text = (page: Page, selector: string): Promise<string> => page.innerText(selector);
    const idOn = (page: Page): Promise<string | null> =>
      page.getAttribute("#session-id", "title", { timeout: 5000 });

    it("shows a session living, from the first visit to the logout", async () => {
      const page = await openPage();
      const reloads: string[] = [];
      await page.goto(one.url);
      page.on("load", () => reloads.push(page.url()));
      expect(await text(page, "#visit-count")).toBe("1");
      expect(await text(page, "#raw")).toContain('"visits"');

      await page.click("#visit");
      await expect.poll(() => text(page, "#visit-count")).toBe("2");

      await page.click("#add-cards");
      await expect.poll(() => text(page, "#count-cards")).toBe("1");
      await page.click("#add-cards");
      await expect.poll(() => text(page, "#cart-total")).toBe("9.00");
      expect(await text(page, "#types")).toMatch(/cart\.get\("cards"\)\.added\s+Date/);

      const before = await idOn(page);
      await page.fill("#name", "Grace");
      await page.click("#login");
      await expect.poll(() => text(page, "#person-title")).toBe("Grace");
      const after = await idOn(page);
      expect(after).not.toBe(before);
      expect(await text(page, "#file")).toContain(after);

      await setClocksAhead(6000);
      await page.click("#try-retired");
      await expect.poll(() => text(page, "#person")).toContain("It opens nothing.");
      expect(await text(page, "#retired-answer")).toContain('"id":null');
      expect(await idOn(page)).toBe(after);
      expect(reloads).toEqual([]);

      await page.goto(two.url);
      expect(two.pids).toContain(Number(await text(page, "#pid")));
      expect(await text(page, "#visit-count")).toBe("3");
      expect(await text(page, "#person-title")).toBe("Grace");
      expect(await text(page, "#count-cards")).toBe("2");
      expect(await text(page, "#mount-same")).toContain("exactly");

      await page.click("#logout");
      await expect.poll(() => text(page, "#file-title")).toBe(nothing);
      const cookies = await page.context().cookies();
      expect(cookies.map(({ name }) => name)).not.toContain("session");
      expect(await place.ids()).not.toContain(after);
    });

    it("draws what became of fifty requests at once, and still does after a reload", async () => {
      const page = await openPage();
      await page.goto(one.url);

      await page.click("#start-race");

      const result = (lane: string): Promise<string> => text(page, `#lane-${lane} strong`);
      await expect.poll(() => result("ours"), { timeout: 10_000 }).toBe("50 of 50");
      const naive = await result("naive");
      expect(naive).toMatch(/^\d+ of 50/);
      const kept = (lane: string): Promise<number> => page.locator(`#lane-${lane} .kept`).count();
      expect(await kept("ours")).toBe(50);
      expect(await kept("naive")).toBe(Number.parseInt(naive));
      await page.reload();
      expect([await result("ours"), await result("naive")]).toEqual(["50 of 50", naive]);
    });

    it("keeps the keyboard where it was", async () => {
      const page = await openPage();
      await page.goto(one.url);
      const focused = (): Promise<string | undefined> =>
        page.evaluate(() => document.activeElement?.id);

      await page.focus("#add-stamp");
      await page.keyboard.press("Enter");
      await expect.poll(() => text(page, "#count-stamp")).toBe("1");
      expect(await focused()).toBe("add-stamp");

      await page.focus("#start-race");
      await page.keyboard.press("Enter");
      await expect
        .poll(() => text(page, "#lane-ours strong"), { timeout: 10_000 })
        .toBe("50 of 50");
      expect(await focused()).toBe("start-race");

      await page.focus("#remove-stamp");
      await page.keyboard.press("Enter");
      await expect.poll(() => text(page, "#count-stamp")).toBe("0");
      expect(await focused()).toBe("cart-title");
    });

    it("works without JavaScript", async () => {
      const page = await openPage({ javaScriptEnabled: false });
      await page.goto(one.url);

      await page.click("#add-folder");
      expect(await text(page, "#count-folder")).toBe("1");
      await page.click("#login");
      expect(await text(page, "#person-title")).toBe("Ada");
      expect(await text(page, "#notice")).toBe("Welcome, Ada");
      await setClocksAhead(6000);
      await page.click("#try-retired");
      expect(await text(page, "#person")).toContain("It opens nothing.");
      expect(await text(page, "#visit-count")).toBe("1");
      await page.click("#logout");
      expect(await text(page, "#file-title")).toBe(nothing);
    });

    const title = (page: Page): Promise<string> => text(page, "#person-title");
    const notice = (page: Page): Promise<string> => text(page, "#notice");
    const devicesOn = (page: Page): Promise<string[]> =>
      page.locator(".devices strong").allInnerTexts();

    async function logIn(page: Page, name: string): Promise<void> {
      await page.goto(one.url);
      await page.fill("#name", name);
      await page.click("#login");
      await expect.poll(() => title(page)).toBe(name);
    }

    for (const javaScriptEnabled of [true, false]) {
      const how = javaScriptEnabled ? "" : ", without JavaScript";

      it(`logs one device out from another${how}`, async () => {
        const name = `Ida${how}`;
        const here = await openPage({ javaScriptEnabled });
        const there = await openPage({ javaScriptEnabled, userAgent: firefox });
        await logIn(here, name);
        expect(await devicesOn(here)).toEqual(["Chrome on Linux"]);
        await logIn(there, name);
        const thereId = await idOn(there);

        await here.goto(two.url);
        expect(await devicesOn(here)).toEqual(["Chrome on Linux", "Firefox on Windows"]);
        expect(await here.locator(".devices li", { hasText: "this one" }).innerText()).toContain(
          "Chrome on Linux",
        );
        await here.click(`#destroy-${thereId}`);
        await expect.poll(() => notice(here)).toBe("Firefox on Windows is logged out.");
        expect(await devicesOn(here)).toEqual(["Chrome on Linux"]);

        await there.goto(one.url);
        expect(await title(there)).toBe("Not logged in");
        expect(await notice(there)).toContain("another device has logged it out");
        expect(await devicesOn(there)).toEqual([]);
        await here.goto(one.url);
        expect(await title(here)).toBe(name);
        expect(await notice(here)).toBe("");
      });

      it(`logs a user out everywhere else, and nobody else${how}`, async () => {
        const name = `Mary${how}`;
        const here = await openPage({ javaScriptEnabled });
        const there = await openPage({ javaScriptEnabled, userAgent: firefox });
        await logIn(there, name);
        const phone = new Visitor(iPhone);
        await phone.post(two, "/login", { name });
        const other = new Visitor(iPhone);
        await other.post(two, "/login", { name: `${name} Shelley` });
        await logIn(here, name);
        expect(await devicesOn(here)).toHaveLength(3);

        await here.click("#destroy-others");

        await expect.poll(() => notice(here)).toBe("2 other devices are logged out.");
        expect(await devicesOn(here)).toEqual(["Chrome on Linux"]);
        await there.goto(two.url);
        expect(await title(there)).toBe("Not logged in");
        expect((await phone.look(one)).id).toBeNull();
        expect(await other.devices(one)).toHaveLength(1);
        await here.goto(two.url);
        expect(await title(here)).toBe(name);
      });
    }

    it("says a welcome once, and loses it to no other request", async () => {
      const page = await openPage();
      await page.goto(one.url);
      await page.evaluate(async () => {
        await fetch("/login", {
          method: "POST",
          body: new URLSearchParams({ name: "Ada" }),
          redirect: "manual",
        });
        await Promise.all(["session", "devices", "storage"].map((name) => fetch(`/api/${name}`)));
      });

      await page.goto(`${two.url}/?after=login`);
      expect(await notice(page)).toBe("Welcome, Ada");
      await page.reload();
      expect(await title(page)).toBe("Ada");
      expect(await notice(page)).toBe("");
    });

    it("remembers who wants it, and nobody else", async () => {
      const remembered = await openPage();
      const other = await openPage();
      const daysOf = async (page: Page): Promise<number> => {
        const cookies = await page.context().cookies();
        const { expires = 0 } = cookies.find(({ name }) => name === "session") ?? {};
        return (expires * 1000 - Date.now()) / day;
      };
      await remembered.goto(one.url);
      await remembered.check("#remember");
      await remembered.click("#login");
      await expect.poll(() => title(remembered)).toBe("Ada");
      await logIn(other, "Ada");

      expect(await daysOf(remembered)).toBeCloseTo(30, 1);
      expect(await daysOf(other)).toBeCloseTo(7, 1);
      expect(await text(remembered, "#lifetime")).toMatch(/^Remembered: .*, used or not\.$/);
      expect(await text(other, "#lifetime")).toMatch(
        /^Not remembered: .* unless it is used before\.$/,
      );
      const until = await remembered.getAttribute("#lifetime time", "datetime");
      expect((Date.parse(until!) - Date.now()) / day).toBeCloseTo(30, 1);

      await setClocksAhead(2 * day);

      await remembered.reload();
      expect(await title(remembered)).toBe("Ada");
      await other.reload();
      expect(await title(other)).toBe("Not logged in");
      expect(await notice(other)).toContain("Your session is over: it has ended");
    });

    it("fits a phone", async () => {
      const page = await openPage({
        viewport: { width: 360, height: 740 },
        isMobile: true,
        hasTouch: true,
      });
      await page.goto(one.url);
      await page.tap("#add-cards");
      await page.tap("#login");
      await expect.poll(() => text(page, "#person-title")).toBe("Ada");
      await expect.poll(() => devicesOn(page)).toContain("Chrome on Linux");
      await page.tap("#try-retired");
      await page.tap("#start-race");
      await expect
        .poll(() => text(page, "#lane-ours strong"), { timeout: 10_000 })
        .toBe("50 of 50");

      const widths = await page.evaluate(() => [
        document.documentElement.scrollWidth,
        document.documentElement.clientWidth,
      ]);

      expect(widths).toEqual([360, 360]);
    });

    it("says so when the server does not answer", async () => {
      const page = await openPage();
      await page.goto(one.url);
      await page.context().route("**/cart", (route) => route.abort());
      await page.click("#add-cards");
      await expect.poll(() => text(page, "#notice")).toContain("did not answer");
      complaints = complaints.filter((text) => !text.includes("ERR_FAILED")); // the browser's own word on it
    });
  });
});
