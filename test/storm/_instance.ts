import { type Server, startServer } from "./_fleet.ts";
import type { Worker } from "../_process.ts";

/** An instance of the app that can be killed and started again, with the same place. */
export class Instance {
  kills = 0;
  isUp = false;
  readonly #major: 1 | 2;
  readonly #place: string;
  #running: { server: Server; worker: Worker } | undefined;

  constructor(major: 1 | 2, place: object) {
    this.#major = major;
    this.#place = JSON.stringify(place);
  }

  readonly server: Server = (path, cookie) => this.#now.server(path, cookie);

  async start(): Promise<void> {
    this.#running = await startServer(this.#major, "moving", this.#place);
    this.isUp = true;
  }

  /** By SIGKILL, whatever it is at. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.isUp = false;
    this.kills++;
    const { child, done } = this.#now.worker;
    child.kill("SIGKILL");
    await done.catch(() => undefined); // it says that it was killed
  }

  /** How many its copier has dealt with, as soon as that is one more. */
  async count(): Promise<number> {
    return Number(await this.#now.worker.line());
  }

  get #now(): { server: Server; worker: Worker } {
    if (!this.#running) throw new Error("It has not been started");
    return this.#running;
  }
}
