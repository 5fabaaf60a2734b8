import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type * as filesessionDriver from "../src/driver.ts";
import type * as filesession from "../src/index.ts";
import type * as filesessionTesting from "../src/testing.ts";
import { tempDir } from "./_dir.ts";

// Not what a comment shows.
const importLine = /^(?:import|export)\b[^;]*? from "([^"]+)"/gm;

describe("the built package", () => {
  it("gives these names, and no others", async () => {
    const names: Record<string, string[]> = {};
    for (const subpath of ["", "/driver", "/express", "/nitro", "/nuxt", "/testing"])
      names[`filesession${subpath}`] = Object.keys(await published(subpath)).toSorted();
    expect(names).toEqual({
      filesession: [
        "FileHandler",
        "SealedHandler",
        "SessionError",
        "closeFileSessions",
        "configureFileSession",
        "copySessions",
        "fileSessions",
        "getFileSession",
        "isRecord",
        "migratingHandler",
        "requireFileSession",
        "useFileSession",
      ],
      "filesession/driver": ["default"],
      "filesession/express": ["fileStore"],
      "filesession/nitro": ["default", "keepStatus", "startFileSessions"],
      "filesession/nuxt": ["default"],
      "filesession/testing": [
        "MemoryHandler",
        "MemoryPlace",
        "moveClock",
        "sessionCookie",
        "testHandler",
      ],
    });
  });

  it("has one subpath for each src/*.ts", () => {
    const { exports } = JSON.parse(
      readFileSync(new URL("../package.json", import.meta.url), "utf8"),
    ) as { exports: Record<string, unknown> };
    const sources = readdirSync(new URL("../src", import.meta.url), { withFileTypes: true });
    const subpaths = sources
      .filter((entry) => entry.isFile())
      .map(({ name }) => `./${name.replace(".ts", "")}`.replace("./index", "."));
    expect(Object.keys(exports).toSorted()).toEqual([...subpaths, "./package.json"].toSorted());
  });

  it("is few files, which load little", () => {
    const loads = (...files: string[]): (string | undefined)[] => {
      const lines = files.map(built).join("").matchAll(importLine);
      return [...new Set([...lines].map(([, from]) => from))].sort();
    };
    // Every other one costs every import of the package up to 3 ms: `npm run bench`, "Start".
    expect(loads("index", "files")).toEqual([
      "./files.js",
      "node:async_hooks",
      "node:fs",
      "node:path",
      "node:timers/promises",
    ]);
    expect(loads("driver")).toEqual(["./files.js", "./index.js"]);
    expect(loads("express")).toEqual([
      "./files.js",
      "./index.js",
      "node:crypto",
      "node:fs",
      "node:fs/promises",
      "node:path",
    ]);
    expect(loads("nitro")).toEqual(["./driver.js", "./index.js", "node:path"]);
    expect(loads("nuxt")).toEqual([
      "./index.js",
      "./nitro.js",
      "node:module",
      "node:path",
      "node:url",
    ]);
    expect(loads("testing")).toEqual([
      "./files.js",
      "./index.js",
      "node:assert/strict",
      "node:timers/promises",
    ]);
    expect(loads("thread")).toEqual(["./files.js", "node:worker_threads"]);
  });

  it("has one FileHandler and one SessionError", async () => {
    const { FileHandler, SessionError } = (await published("")) as typeof filesession;
    const { MemoryHandler } = (await published("/testing")) as typeof filesessionTesting;
    const { default: driver } = (await published("/driver")) as typeof filesessionDriver;
    const sessions = driver({ fileDir: tempDir() });
    expect(sessions.getInstance()).toBeInstanceOf(FileHandler);
    await expect(new MemoryHandler().retrieve("")).rejects.toBeInstanceOf(SessionError);
    await expect(sessions.setItemRaw("a", () => {})).rejects.toBeInstanceOf(SessionError);
  });

  it("says whose code it holds", () => {
    const license = readFileSync(new URL("../LICENSE", import.meta.url), "utf8");
    const held = [
      ...(built("index") + built("files")).matchAll(/^\/\/ \S*node_modules\/([^/\s]+)/gm),
    ];
    expect([...new Set(held.map(([, name]) => name))]).toEqual(["cookie-es", "devalue"]);
    for (const [, name] of held) {
      const theirs = new URL(`../node_modules/${name}/LICENSE`, import.meta.url);
      for (const [line] of readFileSync(theirs, "utf8").matchAll(/^.*copyright \(c\).*$/gim))
        expect(license).toContain(line);
    }
  });
});

/** What an import of this subpath gives. TypeScript knows it only when it has been built. */
function published(subpath: string): Promise<object> {
  return import(`filesession${subpath}`) as Promise<object>;
}

function built(file: string): string {
  return readFileSync(new URL(`../dist/${file}.js`, import.meta.url), "utf8");
}
