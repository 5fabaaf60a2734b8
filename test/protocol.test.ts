// What docs/protocol.md shows: its record is one, and its neighbour works.

import { execFile, execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeEach, describe, expect, it } from "vitest";
import { FileHandler } from "../src/index.ts";
import { tempDir } from "./_dir.ts";
import { has } from "./_needs.ts";

const page = readFileSync(new URL("../docs/protocol.md", import.meta.url), "utf8");

let handler: FileHandler;
let file: string;
let program: string;

beforeEach(() => {
  const fileDir = tempDir();
  handler = new FileHandler({ fileDir });
  file = handler._sessionFile("ada");
  program = join(tempDir(), "neighbour.py");
  writeFileSync(program, /^```python\n(.*?)^```/ms.exec(page)?.[1] ?? "");
  const [, example = ""] = /^```text\n(filesession 1 .*?)^```/ms.exec(page) ?? [];
  writeFileSync(file, recordOf(example), { mode: 0o600 });
});

/** The bytes of a record, from what `tr -s ' '` shows of it. */
function recordOf(shown: string): string {
  const [title = "", ...slots] = shown.trimEnd().split("\n");
  const bytes = Number(title.trim().slice(-8));
  const lines = slots.map((line) => {
    const words = line.slice(0, 39);
    expect(line.endsWith(` ${words}`)).toBe(true);
    return `${line.slice(0, -40).padEnd(bytes - 40)}${words}\n`;
  });
  return `${title.trim().padEnd(55)}\n${lines.join("")}`;
}

describe("docs/protocol.md", () => {
  it("shows a record as it is", async () => {
    expect(readFileSync(file)).toHaveLength(4096);
    const { id, ip, time, cookieName, data } = await handler.retrieve("ada");
    expect({ id, ip, time, cookieName, data }).toEqual({
      id: "ada",
      ip: "192.0.2.7",
      time: 1795569382867,
      cookieName: "session",
      data: { visits: 2 },
    });
    await handler.update("ada", () => ({ visits: 3 }));
    expect(readFileSync(file, "latin1")).toContain(' 0000000003 00073 00000012 json {"id":"ada"');
    const shown = execFileSync("tr", ["-s", " "], { input: readFileSync(file) }).toString();
    expect(shown.split("\n")).toHaveLength(4);
  });
});

describe.runIf(has("python3"))("the neighbour of docs/protocol.md", () => {
  const read = async (): Promise<unknown> => {
    const { stdout } = await promisify(execFile)("python3", [program, file]);
    return JSON.parse(stdout) as unknown;
  };
  const data = async (): Promise<unknown> => ((await read()) as [object, unknown])[1];

  it("reads what we store, and gives its lock back", async () => {
    expect(await data()).toEqual({ visits: 2 });
    await handler.update("ada", () => ({ visits: 3 }));
    expect(await data()).toEqual({ visits: 3 });
    await handler.store("ada", { tea: new Date(0) });
    expect(await data()).toContain("1970-01-01");
    expect(existsSync(handler._lockFile("ada"))).toBe(false);
  });

  it("reads a slot by the words at its end, too", async () => {
    const bytes = readFileSync(file);
    bytes.fill("0", 56 + 2020, 56 + 2020 + 8);
    writeFileSync(file, bytes);
    expect(await data()).toEqual({ visits: 2 });
  });

  it("takes for no session what has ended", async () => {
    await handler.store("ada", {}, { ttl: 0.001 });
    expect(await read()).toBe(null);
    await handler.remove("ada");
    expect(await read()).toBe(null);
    await handler.store("ada", {});
    await handler.store("eve", {}, { oldId: "ada", grace: 60 });
    expect(await read()).toBe(null);
  });

  it("waits for our lock", async () => {
    const impatient = readFileSync(program, "utf8").replace("Lock(file)", "Lock(file, 0)");
    writeFileSync(program, impatient);
    expect(await data()).toEqual({ visits: 2 });
    await handler._acquireLock("ada");
    await expect(read()).rejects.toThrow(/TimeoutError: .*sess_ada\.lock/);
    await handler._releaseLock("ada");
    expect(await data()).toEqual({ visits: 2 });
  });
});
