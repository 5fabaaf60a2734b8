import { FileHandler, type FileSession, type Handler, useFileSession } from "filesession";
import driver from "filesession/driver";
import filesession from "filesession/nitro";
import nuxtModule, { type ModuleOptions } from "filesession/nuxt";
import {
  MemoryHandler,
  type MovedClock,
  moveClock,
  type ReadyCookie,
  sessionCookie,
  testHandler,
} from "filesession/testing";
import type { H3Event } from "h3";
import type { Driver } from "unstorage";

interface Data {
  n?: number;
}

export const open = (event: H3Event): Promise<FileSession<Data>> => useFileSession<Data>(event);
export const count = async (event: H3Event): Promise<number | undefined> =>
  (await open(event)).data.n;
export const handler: Handler = new FileHandler({ durability: "file" });
export const storageDriver: Driver = driver({ fileDir: "sessions" });
export const suite: typeof testHandler = testHandler;
export const memory: Handler = new MemoryHandler();
export const clock: MovedClock = moveClock();
export const cookie: Promise<ReadyCookie> = sessionCookie("http://localhost", { n: 1 });
// There is no Nitro here, and no Nuxt.
export const { setup } = filesession({ maxAge: 3600 });
export const { getMeta } = nuxtModule;
export const options: ModuleOptions = { public: ["user"], maxAge: 3600 };
