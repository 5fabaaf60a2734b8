// Processes of all runtimes at once, on one directory. Each check gives what did not hold, by runtime.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { lstatSync, mkdtempSync, rmSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("neighbour.mjs", import.meta.url));

export const checks = {
  /** All of them count up one session, 25 updates at once each. */
  async counter(neighbours) {
    const times = 500;
    await Promise.all(neighbours.map(({ ask }) => ask("increment", "counter", times)));
    return each(neighbours, async ({ ask }) =>
      assert.equal(await ask("count", "counter"), times * neighbours.length),
    );
  },

  /** All of them see the same stale lock, which one may take over. */
  async herd(neighbours, fileDir) {
    const rounds = 10;
    const ids = Array.from({ length: 30 }, (_, index) => `herd${index}`);
    for (let round = 0; round < rounds; round++) {
      for (const id of ids) {
        const lock = join(fileDir, `sess_${id}.lock`);
        writeFileSync(lock, "", { mode: 0o600 });
        utimesSync(lock, 1e9 + 0.123456, 1e9 + 0.123456);
      }
      await Promise.all(neighbours.map(({ ask }) => ask("add", ids)));
    }
    return each(neighbours, async ({ ask }) => {
      for (const id of ids) assert.equal(await ask("count", id), rounds * neighbours.length, id);
    });
  },

  /** Each respects the heir that another has made of a stale lock: all call it by the same name. */
  async heir(neighbours, fileDir) {
    return each(neighbours, async ({ ask }, index) => {
      const session = join(fileDir, `sess_heir${index}`);
      writeFileSync(`${session}.lock`, "", { mode: 0o600 });
      utimesSync(`${session}.lock`, 1e9 + 0.123456, 1e9 + 0.123456);
      const { ino, mtimeMs } = lstatSync(`${session}.lock`, { bigint: true });
      const heir = `${session}.${ino.toString(36)}-${mtimeMs.toString(36)}.heir`;
      writeFileSync(heir, "e".repeat(32), { mode: 0o600 });
      assert.equal(await ask("take", `heir${index}`), false, "there are two heirs");
      unlinkSync(heir);
      assert.equal(await ask("take", `heir${index}`), true, "nobody takes it over");
    });
  },

  /** Each writes what every other reads. */
  async data(neighbours) {
    return each(neighbours, async ({ name, ask }) => {
      const id = `data-${name}`;
      await ask("store", id);
      const read = await Promise.all(neighbours.map((neighbour) => neighbour.ask("read", id)));
      for (const moments of read) assert.deepEqual(moments, read[0]);
    });
  },

  /** Each sees the sessions that any of them has tagged. */
  async tags(neighbours) {
    for (const { name, ask } of neighbours) await ask("store", `tagged-${name}`, "ada");
    const ids = neighbours.map(({ name }) => `tagged-${name}`).sort();
    return each(neighbours, async ({ ask }) => assert.deepEqual(await ask("tagged", "ada"), ids));
  },

  /** Each is killed while it holds a lock, which the next one takes over at once. */
  async killed(neighbours, fileDir) {
    return each(neighbours, async ({ name, runtime }) => {
      const next =
        neighbours[(neighbours.findIndex((one) => one.name === name) + 1) % neighbours.length];
      const holder = start(runtime, fileDir);
      assert.equal(await holder.ask("hold", name), true);
      holder.child.kill("SIGKILL");
      await once(holder.child, "exit");
      const begun = performance.now();
      await next.ask("increment", name, 1);
      const ms = Math.round(performance.now() - begun);
      assert.ok(ms < 5000, `taken over by ${next.name} after ${ms} ms`);
    });
  },
};

/** What did not hold, as `{ [check]: { [runtime]: failures } }`. */
export async function runTogether(runtimes) {
  const fileDir = mkdtempSync(join(tmpdir(), "filesession-"));
  const neighbours = runtimes.map((runtime) => start(runtime, fileDir));
  const results = {};
  try {
    for (const [title, check] of Object.entries(checks))
      results[title] = await check(neighbours, fileDir).catch((error) =>
        Object.fromEntries(runtimes.map(({ name }) => [name, [{ title, why: error.stack }]])),
      );
  } finally {
    for (const { child } of neighbours) child.kill("SIGKILL");
    rmSync(fileDir, { recursive: true });
  }
  return results;
}

async function each(neighbours, fact) {
  const failures = {};
  for (const [index, neighbour] of neighbours.entries())
    failures[neighbour.name] = await fact(neighbour, index).then(
      () => [],
      (error) => [{ title: neighbour.name, why: error.stack }],
    );
  return failures;
}

function start(runtime, fileDir) {
  const { name, command, args } = runtime;
  const child = spawn(command, [...args, program, fileDir], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (...order) => {
    child.stdin.write(`${JSON.stringify(order)}\n`);
    const { value: line } = await lines.next();
    if (line === undefined) throw new Error(`${name} has ended`);
    const { value, error } = JSON.parse(line);
    if (error !== undefined) throw new Error(`${name}: ${error}`);
    return value;
  };
  return { name, runtime, child, ask };
}
