// Moves that are stopped between two system calls, with somebody else at the sessions meanwhile.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { FileHandler } from "../src/index.ts";
import { intercept } from "./_calls.mjs";
import { tempDir } from "./_dir.ts";
import { startWorker, type Worker } from "./_process.ts";
import { has } from "./_needs.ts";

const onPosix = describe.runIf(has("posix"));

let fileDir: string;
let handler: FileHandler;
let done: string;

beforeEach(async () => {
  fileDir = tempDir();
  done = join(tempDir(), "done");
  handler = new FileHandler({ fileDir, staleAfter: 0.05 });
  await handler.store("old", "before");
});

/** Another process, which has begun to move the session `old` to `new` and stands still. */
async function stoppedMover(when: "ending" | "ended", staleAfter = 0.05): Promise<Worker> {
  const mover = startWorker("move-slowly.mjs", fileDir, "old", "new", `${staleAfter}`, when, done);
  expect(await mover.line()).toBe("stopped");
  return mover;
}

/** Lets it go on, and how that ended. Nothing else happens in this process meanwhile. */
function finish(mover: Worker): string {
  const nothing = new Int32Array(new SharedArrayBuffer(4));
  for (let ms = 0; ms < 10_000; ms++) {
    mover.child.kill("SIGCONT"); // it says that it stops a moment before it does
    Atomics.wait(nothing, 0, 0, 1);
    if (existsSync(done) && readFileSync(done, "utf8") !== "") break;
  }
  return readFileSync(done, "utf8");
}

async function sessions(): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for await (const id of handler.keys())
    found[id] = (await handler.retrieve(id, { blocking: false })).data;
  return found;
}

onPosix("a reader of the new session", () => {
  it("finds it while the mover tidies up between its two looks", async () => {
    const mover = await stoppedMover("ended", 60);
    const old = handler._sessionFile("old");
    let outcome = "";
    const end = intercept(fileDir, ({ name, path }, proceed) => {
      if (name === "openSync" && path === old && outcome === "") outcome = finish(mover);
      return proceed();
    });
    const { data } = await handler.retrieve("new", { blocking: false }).finally(end);
    expect({ outcome, data }).toEqual({ outcome: "moved", data: "moved" });
  });

  // Found by the histories: the pending record had replaced it.
  it("finds what was there before until the move is made", async () => {
    await handler.store("new", "there before");
    const mover = await stoppedMover("ending", 60);
    expect(await sessions()).toEqual({ old: "before", new: "there before" });
    expect(finish(mover)).toBe("moved");
    expect(await sessions()).toEqual({ new: "moved" });
  });
});

onPosix("a mover that was paused until its old session was taken over", () => {
  // Found by the histories: what it reads on the old inode is not what is in the taker's copy.
  it("and goes on while that is being copied leaves one session", async () => {
    const mover = await stoppedMover("ending");
    const old = handler._sessionFile("old");
    let outcome = "";
    const end = intercept(fileDir, ({ name, args }, proceed) => {
      if (name === "renameSync" && args[1] === old) outcome = finish(mover);
      return proceed();
    });
    await handler.update("old", () => "after").finally(end);
    expect(await sessions()).toEqual(outcome === "moved" ? { new: "moved" } : { old: "after" });
  });
});

onPosix("a mover that was paused until its new session was taken over", () => {
  it("is refused, or the session has moved", async () => {
    const mover = await stoppedMover("ending");
    await handler.update("new", () => "of somebody else");
    const outcome = finish(mover);
    expect({ outcome, ...(await sessions()) }).toEqual({
      outcome: "ERR_SESSION_LOCK_LOST",
      old: "before",
      new: "of somebody else",
    });
  });
});

onPosix("a session whose mover was killed when it had moved", () => {
  it("is at its new id", async () => {
    const mover = await stoppedMover("ended");
    mover.child.kill("SIGKILL");
    await mover.done.catch(() => undefined);
    expect(await sessions()).toEqual({ new: "moved" });
  });

  it("is still there when another one under the old id has come and gone", async () => {
    const mover = await stoppedMover("ended");
    mover.child.kill("SIGKILL");
    await mover.done.catch(() => undefined);
    await handler.store("old", "another one");
    expect(await sessions()).toEqual({ old: "another one", new: "moved" });
    await handler.remove("old");
    expect(await sessions()).toEqual({ new: "moved" });
  });
});
