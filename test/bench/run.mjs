// run.mjs [--only store,http] [--quick] [--dir <dir>] [--ext4] [--json <file>] [--svg]: us beside
// what people use instead, level by level, as ratios of results of the same round. Prints a table
// for each level and one of the figures that are to be reached, and writes all of it as JSON.

import { mkdirSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { fileSystemName, fileSystemOf, mountExt4, ownDirectory } from "./disk.mjs";
import { installPeers } from "./peers/install.mjs";
import { figureRows, table } from "./table.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const levels = readdirSync(join(here, "levels"))
  .filter((file) => file.endsWith(".mjs"))
  .map((file) => file.slice(0, -".mjs".length));

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: levels.join() },
    quick: { type: "boolean", default: false },
    dir: { type: "string" },
    ext4: { type: "boolean", default: false },
    json: { type: "string", default: join(here, "results.json") },
    svg: { type: "boolean", default: false },
  },
});
const { quick, svg } = options;
const rounds = quick ? 3 : 5;
const chosen = options.only.split(",");
const unknown = chosen.find((name) => !levels.includes(name));
if (unknown !== undefined) throw new Error(`no level ${unknown}: there are ${levels.join(", ")}`);

// Whatever is to be put away is put away on `exit`.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(130));

const log = (text) => process.stderr.write(`${text}\n`);

installPeers(log);
const parent = options.ext4 ? mountExt4(quick ? 8 : 32) : resolve(options.dir ?? tmpdir());
const root = ownDirectory(realpathSync(parent));
const fileSystem = fileSystemOf(root);
const environment = {
  date: new Date().toISOString(),
  node: process.version,
  cpu: cpus()[0]?.model.trim() ?? "unknown",
  cpus: cpus().length,
  platform: process.platform,
  fileSystem,
  quick,
  rounds,
};
console.log(
  `${environment.date.slice(0, 10)}, Node ${environment.node}, ${environment.cpus} x ${environment.cpu}\n` +
    `on ${fileSystemName(fileSystem)}: ${root}${quick ? "\nquick: too short to quote" : ""}`,
);

const results = {};
for (const name of chosen) {
  const begun = performance.now();
  log(`${name} ...`);
  const dir = join(root, name);
  mkdirSync(dir);
  try {
    const { title, measure } = await import(`./levels/${name}.mjs`);
    const result = await measure({ dir, quick, rounds, svg, log: (text) => log(`  ${text}`) });
    results[name] = { title, ...result };
  } catch (error) {
    results[name] = { title: name, rows: [], figures: [], notes: [`failed: ${error.stack}`] };
    process.exitCode = 1;
  }
  rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
  log(`  ${((performance.now() - begun) / 1000).toFixed(0)} s`);
}

for (const { parts, ...whole } of Object.values(results))
  for (const { title, rows, notes = [] } of parts ?? [whole])
    console.log(["", title, ...(rows.length > 0 ? [table(rows)] : []), ...notes].join("\n"));
const figures = Object.values(results).flatMap((result) => result.figures);
if (figures.length > 0) console.log(`\nThe figures\n${table(figureRows(figures))}`);
writeFileSync(
  resolve(options.json),
  `${JSON.stringify({ environment, levels: results, figures }, null, 2)}\n`,
);
process.exit(); // some peers leave timers and sockets behind
