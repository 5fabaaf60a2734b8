// skewed.mjs <fileDir> <times> <handler> <staleAfter> <ms>: adds one to `n` that many times, while its clock jumps to
// and fro by hours and years; prints every `n` that was acknowledged. The handler is `filesession`,
// or a naive one, which takes a lock over when Date.now() says that it is old.
import { closeSync, lstatSync, openSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { FileHandler } from "filesession";
import { setClock } from "./_clock.mjs";

const [fileDir, times, name, ...limits] = process.argv.slice(2);
const [staleAfter, holdMs] = limits.map(Number);
const hour = 3600_000;
const jumps = [0, hour, -hour, 10 * 8766 * hour, -10 * 8766 * hour];
const jump = () => setClock(jumps[Math.floor(Math.random() * jumps.length)]);

class NaiveHandler {
  #file = `${fileDir}/naive`;
  async update(_, change) {
    while (!this.#lock()) await sleep(1);
    let data;
    try {
      data = JSON.parse(readFileSync(this.#file, "utf8"));
    } catch {
      data = undefined;
    }
    data = await change({ data });
    writeFileSync(this.#file, JSON.stringify(data));
    this.#unlock();
    return { data };
  }
  #lock() {
    try {
      closeSync(openSync(`${this.#file}.lock`, "wx"));
      return true;
    } catch {
      const mtime = lstatSync(`${this.#file}.lock`, { throwIfNoEntry: false })?.mtimeMs;
      if (mtime !== undefined && Date.now() - mtime > staleAfter * 1000) this.#unlock();
      return false;
    }
  }
  #unlock() {
    try {
      unlinkSync(`${this.#file}.lock`);
    } catch {
      // taken over
    }
  }
}

const handler = name === "naive" ? new NaiveHandler() : new FileHandler({ fileDir, staleAfter });
for (let done = 0; done < Number(times);) {
  jump();
  try {
    const { data } = await handler.update("a", async ({ data }) => {
      if (Math.random() < 0.5) await sleep(Math.random() * holdMs);
      jump();
      return { n: (data?.n ?? 0) + 1 };
    });
    console.log(data.n);
    done++;
  } catch (error) {
    if (error.code !== "ERR_SESSION_LOCK_LOST") throw error;
  }
}
