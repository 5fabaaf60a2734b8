import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import filesession, { type ModuleOptions } from "../src/nuxt.ts";
import type { NitroConfigLike, NuxtLike } from "../src/nuxt/nuxt.ts";
import { watchedPlace } from "../src/nuxt/places.ts";
import { ownBytes } from "../src/nuxt/server/own-bytes.ts";
import { typedRows } from "../src/nuxt/server/typed-rows.ts";
import { html } from "../src/nuxt/server/html.ts";

type Hook = (...args: unknown[]) => void;

/** A Nuxt as far as the module sees it. */
class FakeNuxt {
  readonly hooks: Map<string, Hook> = new Map();
  readonly options: NuxtLike["options"];

  constructor(dev: boolean, config: ModuleOptions = {}) {
    this.options = {
      dev,
      rootDir: resolve("app"),
      buildDir: resolve("app/.nuxt"),
      appDir: resolve("node_modules/nuxt/dist/app"),
      app: { baseURL: "/base/" },
      plugins: [{ src: "theirs" }],
      build: { templates: [] },
      _layers: [{ config: { srcDir: resolve("app/app") } }],
      fileSession: config,
    };
  }

  hook(name: string, hook: Hook): void {
    this.hooks.set(name, hook);
  }

  nitro(config: NitroConfigLike = {}): NitroConfigLike {
    this.hooks.get("nitro:config")!(config);
    return config;
  }

  template(name: string): string {
    return this.options.build.templates.find(({ filename }) => filename === name)!.getContents();
  }
}

function setUp(dev: boolean, config: ModuleOptions = {}, inline: ModuleOptions = {}): FakeNuxt {
  const nuxt = new FakeNuxt(dev, config);
  filesession(inline, nuxt);
  return nuxt;
}

describe("the Nuxt module", () => {
  it("is what Nuxt finds under fileSession", async () => {
    expect(await filesession.getMeta()).toEqual({ name: "filesession", configKey: "fileSession" });
  });

  it("adds its plugin before those of the app", () => {
    const [first, second] = setUp(false).options.plugins as { src: string }[];
    expect(first).toMatchObject({ src: expect.stringMatching(/nuxt\/app\/plugin\.js$/) as string });
    expect(second).toEqual({ src: "theirs" });
  });

  it("takes the options of the config, and over them its own", () => {
    const nuxt = setUp(false, { public: ["theme"], endpoint: "/a" }, { endpoint: "/me" });
    const { handlers, virtual } = nuxt.nitro();
    expect(handlers).toMatchObject([{ route: "/me" }]);
    expect(virtual!["#filesession/nuxt"]).toContain('publicKeys = ["theme"]');
    expect(nuxt.template("filesession.mjs")).toContain('endpoint = "/me"');
    expect(nuxt.template("types/filesession.d.ts")).toContain('"theme": true;');
  });

  it("has a tab in the DevTools, and the page in it, while the app is developed only", () => {
    const dev = setUp(true);
    const tabs: object[] = [];
    dev.hooks.get("devtools:customTabs")!(tabs);
    expect(tabs).toMatchObject([
      { name: "filesession", view: { type: "iframe", src: "/base/__filesession__" } },
    ]);
    const routes = ({ handlers = [] }: NitroConfigLike): string[] =>
      handlers.map(({ route }) => route);
    expect(routes(dev.nitro())).toEqual(["/api/_session", "/__filesession__"]);

    const built = setUp(false);
    expect(built.hooks.has("devtools:customTabs")).toBe(false);
    expect(routes(built.nitro())).toEqual(["/api/_session"]);
  });

  it("has its own files bundled into the server, and the package not", () => {
    const inline = ["vue", "filesession", resolve("."), "@nuxt/"];
    const { externals } = setUp(false).nitro({ externals: { inline } });
    expect(externals!.inline).toEqual(["vue", "@nuxt/", expect.stringMatching(/\/nuxt\/$/)]);
  });

  it("refuses what makes no sense", () => {
    for (const bad of [
      { public: "user" },
      { public: [1] },
      { endpoint: "api" },
      { endpoint: "/a?b" },
    ])
      expect(() => setUp(false, bad as ModuleOptions)).toThrow(/fileSession\.(public|endpoint)/);
  });

  it("has what Nitro keeps of its routes not kept of the endpoint", () => {
    const { routeRules } = setUp(false).nitro({ routeRules: { "/api/**": { swr: 60 } } });
    expect(routeRules!["/api/_session"]).toEqual({ cache: false, isr: false, prerender: false });
  });
});

describe("watchedPlace", () => {
  const at = (fileDir?: string, ignored = false): string | undefined =>
    watchedPlace(fileDir, {
      ...new FakeNuxt(true),
      ...(ignored && { _ignore: { ignores: () => true } }),
    });

  it("warns of a directory that the dev server watches", () => {
    expect(at("app/app/sessions")).toContain(resolve("app/app"));
  });

  it("does not of others, nor of what Nuxt ignores", () => {
    for (const fileDir of [
      undefined,
      "app/.data/sessions",
      "app/app/.data",
      "application",
      "/var/lib/a",
    ])
      expect(at(fileDir)).toBeUndefined();
    expect(at("app/app/sessions", true)).toBeUndefined();
  });
});

describe("ownBytes", () => {
  it("leaves no view of memory that is shared with others", () => {
    const small = Buffer.from("secret of another, then: a"); // in the pool that all small ones are in
    const data = { bytes: small.subarray(-1), list: [new Map([["b", small]]), new Set([small])] };
    const copy = ownBytes(data) as { bytes: Uint8Array; list: [Map<string, Uint8Array>, unknown] };
    expect(copy.bytes.buffer.byteLength).toBe(1);
    expect(Buffer.isBuffer(copy.list[0].get("b"))).toBe(false);
    expect(copy.list[0].get("b")!.buffer.byteLength).toBe(small.length);
  });

  it("gives all else as it is, cycles and repeated values too", () => {
    const when = new Date(0);
    const data: Record<string, unknown> = { when, again: [when], n: 1n, none: undefined };
    data["self"] = data;
    const copy = ownBytes(data) as typeof data;
    expect(copy).toEqual(data);
    expect(copy["self"]).toBe(copy);
    expect(ownBytes(Object.create(null))).toEqual({});
  });
});

describe("typedRows", () => {
  it("has a row for each value, with its type", () => {
    const cart = new Map([["tea", new Date(0)]]);
    const loop: Record<string, unknown> = { n: 1n };
    loop["self"] = loop;
    const rows = typedRows({
      cart,
      loop,
      tags: new Set(["a"]),
      bytes: Buffer.from("ab"),
      none: null,
    });
    expect(rows.map(({ path, type, value }) => `${path} ${type} ${value}`)).toEqual([
      "cart Map 1 in it",
      'cart.get("tea") Date 1970-01-01T00:00:00.000Z',
      "loop.n bigint 1n",
      "loop.self reference to what is above",
      "tags Set 1 in it",
      'tags[0] string "a"',
      "bytes Buffer 2 bytes",
      "none null null",
    ]);
  });
});

describe("html", () => {
  it("escapes what is not markup", () => {
    expect(html`<p>${"<b>&\"'"}${html`<i>${1}</i>`}${false}</p>`.markup).toBe(
      "<p>&#60;b&#62;&#38;&#34;&#39;<i>1</i></p>",
    );
  });
});
