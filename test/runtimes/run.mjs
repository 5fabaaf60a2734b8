// run.mjs: the built package on each runtime, and on all of them together. Prints a table, and what
// did not hold. Ends with 1 for what is not in _known.mjs, and for what is there and was not seen.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { known } from "./_known.mjs";
import { installRuntimes, runtimes } from "./_runtimes.mjs";
import { table } from "./_table.mjs";
import { runTogether } from "./together.mjs";

const alone = {
  contract: ["contract.mjs"],
  "contract, threads": ["contract.mjs", '{"threads":2}'],
  servers: ["servers.mjs"],
  features: ["features.mjs"],
  disk: ["disk.mjs"],
};

installRuntimes();
const versions = {};
const results = {}; // what did not hold: { [check]: { [runtime]: failures } }
for (const runtime of runtimes) {
  const { stdout } = await promisify(execFile)(runtime.command, ["--version"]);
  versions[runtime.name] = /\d+\.\d+\.\d+/.exec(stdout)?.[0];
  for (const [check, [program, ...args]] of Object.entries(alone))
    (results[check] ??= {})[runtime.name] = await run(runtime, program, args);
}
Object.assign(results, await runTogether(runtimes));

const checks = Object.keys(results);
const rows = runtimes.map(({ name }) => [
  `${name} (${versions[name]})`,
  ...checks.map((check) => cell(check, name)),
]);
console.log(table([["", ...checks], ...rows]));
for (const limit of known) {
  const isSeen = results[limit.check][limit.runtime].some(({ title }) => title === limit.title);
  console.log(`\n${limit.runtime} cannot: ${limit.title}. ${limit.why}`);
  if (isSeen) continue;
  console.log("That was not seen: it has to go from _known.mjs");
  process.exitCode = 1;
}
for (const check of checks)
  for (const { name } of runtimes)
    for (const { title, why } of unknown(check, name)) {
      console.log(`\n${name}, ${check}: ${title}\n${why}`);
      process.exitCode = 1;
    }

/** What did not hold in this program. */
async function run({ command, args }, program, more) {
  const path = fileURLToPath(new URL(program, import.meta.url));
  try {
    const { stdout } = await promisify(execFile)(command, [...args, path, ...more], {
      timeout: 120_000,
      killSignal: "SIGKILL",
    });
    return JSON.parse(stdout.trim().split("\n").at(-1)).failures;
  } catch (error) {
    return [{ title: `${program} did not come to its end`, why: error.stderr || error.stack }];
  }
}

function unknown(check, name) {
  const isKnown = ({ title }) =>
    known.some((one) => one.runtime === name && one.check === check && one.title === title);
  return results[check][name].filter((failure) => !isKnown(failure));
}

function cell(check, name) {
  if (unknown(check, name).length > 0) return "FAILS";
  return results[check][name].length > 0 ? "limits" : "yes";
}
