import { readdirSync } from "node:fs";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FileHandler } from "../../src/index.ts";
import { staleAfter } from "./_storm.ts";

/**
 * What is left of a storm beside its sessions, when every lock of the dead is stale and two `clean`
 * have passed: what the first takes over, the second finds free.
 */
export async function leftovers(fileDir: string): Promise<{ found: number; left: string[] }> {
  await sleep(1000 * staleAfter + 100);
  const handler = new FileHandler({ fileDir, staleAfter });
  const beside = async (): Promise<string[]> => {
    const sessions = new Set<string>();
    for await (const id of handler.keys()) sessions.add(basename(handler._sessionFile(id)));
    return readdirSync(fileDir).filter((name) => !sessions.has(name));
  };
  const found = (await beside()).length;
  await handler.clean(1e6);
  await handler.clean(1e6);
  const left = await beside();
  await handler.close();
  return { found, left };
}
