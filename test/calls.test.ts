import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { FileHandler } from "../src/index.ts";
import { callNames, intercept, systemError } from "./_calls.mjs";
import { tempDir } from "./_dir.ts";

describe("intercept", () => {
  it("knows every call that src/file makes", () => {
    const dir = new URL("../src/file/", import.meta.url);
    const made = new Set<string>();
    for (const file of readdirSync(dir)) {
      const text = readFileSync(new URL(file, dir), "utf8");
      const [, imports = ""] = /import \{([^}]+)\} from "node:fs"/.exec(text) ?? [];
      for (const name of imports.match(/\b\w+Sync\b/g) ?? []) made.add(name);
      expect(text.match(/node:fs(?!")|node:fs\/promises/)).toBeNull();
    }
    expect([...made].sort()).toEqual([...callNames].sort());
  });

  it("sees them all, in order, and nothing else", async () => {
    const fileDir = tempDir();
    const handler = new FileHandler({ fileDir });
    const seen: string[] = [];
    onTestFinished(
      intercept(fileDir, (call, proceed) => {
        seen.push(call.name);
        return proceed();
      }),
    );
    rmSync(mkdtempSync(join(tempDir(), "x")), { recursive: true });
    expect(seen).toEqual([]);
    await handler.store("a", 1);
    expect(seen.slice(0, 2)).toEqual(["lstatSync", "openSync"]);
    expect(seen.at(-1)).toBe("closeSync");
    expect(seen).toContain("linkSync");
  });

  it("can fail one", async () => {
    const fileDir = tempDir();
    const handler = new FileHandler({ fileDir });
    onTestFinished(
      intercept(fileDir, (call) => {
        throw systemError("EIO", call);
      }),
    );
    await expect(handler.store("a", 1)).rejects.toThrow("EIO");
  });
});
