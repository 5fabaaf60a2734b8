import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

// Not what a comment shows.
const importLine = /^(?:import|export)\b[^;]*? from "([^"]+)"/gm;

describe("the built package", () => {
  it("gives these names, and no others", async () => {
    const names: Record<string, string[]> = {};
    for (const subpath of ["filesession", "filesession/driver", "filesession/testing"])
      names[subpath] = Object.keys((await import(subpath)) as object).toSorted();
    expect(names).toEqual({
      filesession: ["FileHandler", "SessionError", "isRecord", "useFileSession"],
      "filesession/driver": ["default"],
      "filesession/testing": ["testHandler"],
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

  it("imports nothing of h3, unstorage, nitro or nuxt", () => {
    const seen = new Set<string>();
    const visit = (url: URL): void => {
      if (seen.has(url.href)) return;
      seen.add(url.href);
      for (const [, from = ""] of readFileSync(url, "utf8").matchAll(importLine)) {
        if (from.startsWith(".")) visit(new URL(from, url));
        else expect(from).toMatch(/^(?:node:|devalue$|cookie-es$)/);
      }
    };
    for (const entry of ["index", "driver", "testing"])
      visit(new URL(`../dist/${entry}.js`, import.meta.url));
    expect(seen.size).toBeGreaterThan(10);
  });
});
