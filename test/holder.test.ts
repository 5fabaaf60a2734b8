import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import { isGone, storyBytes, storyOf, tokenIn } from "../src/file/holder.ts";
import { FileHandler } from "../src/index.ts";
import { intercept } from "./_calls.mjs";
import { tempDir } from "./_dir.ts";
import { startWorker } from "./_process.ts";
import { has } from "./_needs.ts";

const token = "0123456789abcdef".repeat(2);
const linux = describe.runIf(has("linux"));

/** What a lock of the process `pid` says. */
function storyOfProcess(pid: number): string {
  const [, , , boot, namespace] = storyOf(token).trim().split(" ");
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const start = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  return `${token} ${pid} ${start} ${boot} ${namespace}\n`;
}

async function ended(): Promise<string> {
  const child = spawn("sleep", ["60"]);
  await once(child, "spawn");
  const story = storyOfProcess(child.pid!);
  child.kill("SIGKILL");
  await once(child, "exit");
  return story;
}

describe("tokenIn", () => {
  it("gives the token of a lock of ours, and of nobody else's", () => {
    expect(tokenIn(storyOf(token))).toBe(token);
    expect(tokenIn("")).toBeUndefined();
    expect(tokenIn("pid 12\n")).toBeUndefined();
    expect(storyOf(token).length).toBeLessThanOrEqual(storyBytes);
  });
});

linux("isGone", () => {
  it("is false for a process that is there", () => {
    expect(isGone(storyOf(token))).toBe(false);
    expect(isGone(storyOfProcess(process.ppid))).toBe(false);
  });

  it("is true for one that has ended", async () => {
    expect(isGone(await ended())).toBe(true);
  });

  it("is true for one that only waits for its parent to notice", async () => {
    // Its parent becomes `sleep`, which never asks what has become of it.
    const shell = spawn("sh", ["-c", "sleep 60 & echo $!; exec sleep 60"]);
    onTestFinished(() => void shell.kill("SIGKILL"));
    const pid = Number(String((await once(shell.stdout, "data"))[0]));
    // Until then it is a shell, which does ask.
    await expect.poll(() => readFileSync(`/proc/${shell.pid}/comm`, "latin1")).toBe("sleep\n");
    const story = storyOfProcess(pid);
    expect(isGone(story)).toBe(false);
    process.kill(pid, "SIGKILL");
    await expect.poll(() => readFileSync(`/proc/${pid}/stat`, "latin1")).toContain(") Z ");
    expect(isGone(story)).toBe(true);
  });

  it("is true for one whose pid was given to another since", () => {
    const [, pid, start, ...rest] = storyOf(token).trim().split(" ");
    expect(isGone(`${token} ${pid} ${Number(start) - 1} ${rest.join(" ")}\n`)).toBe(true);
  });

  it("is false for what cannot be told: another boot, another pid namespace, no story at all", async () => {
    const story = await ended();
    const [, pid, start, boot, namespace] = story.trim().split(" ");
    const other = boot!.replace(/^./, (digit) => (digit === "0" ? "1" : "0"));
    expect(isGone(`${token} ${pid} ${start} ${other} ${namespace}\n`)).toBe(false);
    expect(isGone(`${token} ${pid} ${start} ${boot} 1\n`)).toBe(false);
    expect(isGone(story.slice(0, -1))).toBe(false); // cut off
    for (const text of ["", token, `${pid}\n`, "x".repeat(200)]) expect(isGone(text)).toBe(false);
  });
});

describe("a taker whose copy was revoked by the holder it has replaced", () => {
  it("makes another, and nobody waits for a minute", async () => {
    const fileDir = tempDir();
    const handler = new FileHandler({ fileDir, lockTimeout: 1 });
    await handler.store("a", 1);
    writeFileSync(handler._lockFile("a"), "");
    utimesSync(handler._lockFile("a"), 0, 0);
    let revoked = 0;
    const restore = intercept(fileDir, ({ name, path }, proceed) => {
      if (name === "renameSync" && path.endsWith(".new") && revoked++ === 0) unlinkSync(path);
      return proceed();
    });
    await expect(handler._acquireLock("a", false).finally(restore)).resolves.toBe(true);
    await handler._releaseLock("a");
    expect(revoked).toBe(2);
    expect(await handler.update("a", () => 2)).toMatchObject({ data: 2 });
  });
});

linux("a lock whose holder has died", () => {
  it.for(["update", "retrieve", "clean"] as const)("does not keep %s waiting", async (what) => {
    const fileDir = tempDir();
    const handler = new FileHandler({ fileDir, lockTimeout: 5 });
    await handler.store("a", { n: 1 });
    const { child, line } = startWorker("hold.mjs", fileDir, "a");
    await line();
    expect(await handler._acquireLock("a", false)).toBe(false);
    child.kill("SIGKILL");
    await once(child, "exit");
    if (what === "update") await handler.update<{ n: number }>("a", () => ({ n: 2 }));
    if (what === "retrieve") expect(await handler.retrieve("a")).toMatchObject({ data: { n: 1 } });
    if (what === "clean") {
      expect(await handler.clean(0)).toEqual({ removed: 1, kept: 0, skipped: 0 });
      return;
    }
    expect(await handler.retrieve("a")).toMatchObject({ data: { n: what === "update" ? 2 : 1 } });
  });
});
