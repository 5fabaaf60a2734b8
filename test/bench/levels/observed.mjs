// What it costs to be seen from outside: an operation whose tracing channel nobody listens to, and
// the same with one subscriber. Beside both, what nobody's listening costs: the look at whether
// somebody does.

import { tracingChannel } from "node:diagnostics_channel";
import { join } from "node:path";
// By its path: a package.json beside the peers hides the package's own name.
import { FileHandler } from "../../../dist/index.js";
import { sessionData, sessionId } from "../data.mjs";
import { interleave, median, rate, ratio, round, shuffled } from "../measure.mjs";

export const title = "Seen from outside: sessions of 300 B, with and without a subscriber";

const count = 1000;
const looks = 1_000_000;

export async function measure({ dir, quick, rounds }) {
  const handler = new FileHandler({ fileDir: join(dir, "sessions") });
  const ids = Array.from({ length: count }, (_, n) => sessionId(n));
  const data = sessionData(300);
  for (const id of ids) await handler.store(id, data);
  const order = shuffled(count, 1 << 16);
  const operations = {
    retrieve: (n) => handler.retrieve(ids[order[n & 0xffff]]),
    update: (n) =>
      handler.update(ids[order[n & 0xffff]], () => {
        data.visits = 1_000_000 + (n % 1_000_000);
        return data;
      }),
  };
  const rows = [];
  for (const [name, operation] of Object.entries(operations)) {
    const channel = tracingChannel(`filesession:${name}`);
    let heard = 0;
    const listen = () => void heard++;
    const contestants = {
      nobody: () => rate(operation, quick ? 50 : 400),
      "one subscriber": async () => {
        channel.asyncEnd.subscribe(listen);
        try {
          return await rate(operation, quick ? 50 : 400);
        } finally {
          channel.asyncEnd.unsubscribe(listen);
        }
      },
      "the look alone": () => {
        const begun = performance.now();
        let found = 0;
        for (let n = 0; n < looks; n++) if (channel.hasSubscribers) found++;
        return ((looks + found) * 1000) / (performance.now() - begun);
      },
    };
    const once = (contestant) => contestants[contestant]();
    await interleave(Object.keys(contestants), 1, once); // warms up
    const results = await interleave(Object.keys(contestants), 3 * rounds, once);
    const [nobody, one, look] = [...results.values()];
    if (heard === 0) throw new Error(`the subscriber of ${name} was told nothing`);
    rows.push({
      operation: name,
      "nobody listens /s": Math.round(round(median(nobody))),
      "one subscriber /s": Math.round(round(median(one))),
      "one / nobody": round(ratio(one, nobody)),
      "the look, ns": round(1e9 / median(look)),
      "the look, % of it": round(100 * ratio(nobody, look)),
    });
  }
  await handler.close();
  return { rows, figures: [] };
}
