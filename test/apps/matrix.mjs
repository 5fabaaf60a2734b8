// matrix.mjs [app ...]: the tests of the apps in playground/ on each runtime. Prints a table, and what
// did not hold. Ends with 1 for what is not in _known.mjs, and for what is there and was not seen.
//
// An app is built once, by the Node that its framework wants; it is its server that runs elsewhere.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { installRuntimes, isWanted, runtimes } from "../runtimes/_runtimes.mjs";
import { table } from "../runtimes/_table.mjs";
import { known } from "./_known.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const root = join(here, "../..");
const vitest = fileURLToPath(new URL("vitest.mjs", import.meta.resolve("vitest/package.json")));
const wanted = process.argv.slice(2);
const apps = readdirSync(here)
  .filter((name) => name.endsWith(".test.ts"))
  .map((name) => basename(name, ".test.ts"))
  .filter((name) => wanted.length === 0 || wanted.includes(name));

installRuntimes();
const versions = runtimes.map(({ command }) => {
  return /\d+\.\d+\.\d+/.exec(spawnSync(command, ["--version"], { encoding: "utf8" }).stdout)[0];
});
const cells = {}; // { [app]: { [runtime]: failed tests, or why it was not tried } }
for (const [index, { name }] of runtimes.entries()) {
  const tried = apps.filter((app) => {
    const why = unsupported(app, name, versions[index]);
    (cells[app] ??= {})[name] = why ?? [];
    return why === undefined;
  });
  for (const [app, failures] of Object.entries(run(tried, name))) cells[app][name] = failures;
}

console.log(
  table([
    ["", ...runtimes.map(({ name }, index) => `${name} (${versions[index]})`)],
    ...apps.map((app) => [app, ...runtimes.map(({ name }) => cell(app, name))]),
  ]),
);
for (const app of apps)
  for (const { name } of runtimes)
    for (const { title, why } of unknown(app, name)) {
      console.log(`\n${app} on ${name}: ${title}\n${why}`);
      process.exitCode = 1;
    }
for (const limit of known.filter(({ app }) => apps.includes(app))) {
  console.log(`\n${limit.app} on ${limit.runtime}, not: ${limit.title}. ${limit.why}`);
  const failures = cells[limit.app][limit.runtime];
  if (Array.isArray(failures) && failures.some(({ title }) => title === limit.title)) continue;
  console.log("That was not seen: it has to go from _known.mjs");
  process.exitCode = 1;
}

/** What did not hold, by app. */
function run(apps, runtime) {
  const dir = mkdtempSync(join(tmpdir(), "filesession-matrix-"));
  const report = join(dir, "report.json");
  const files = apps.map((app) => `test/apps/${app}.test.ts`);
  const flags = ["--config", "vitest.apps.config.ts", "--reporter=json", `--outputFile=${report}`];
  const { stderr } = spawnSync(process.execPath, [vitest, "run", ...flags, ...files], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, APP_RUNTIME: runtime },
  });
  try {
    const { testResults } = JSON.parse(readFileSync(report, "utf8"));
    return Object.fromEntries(
      testResults.map((file) => [basename(file.name, ".test.ts"), failuresOf(file)]),
    );
  } catch (cause) {
    throw new Error(`the tests did not run on ${runtime}: ${stderr}`, { cause });
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function failuresOf({ assertionResults, message, status }) {
  const failures = assertionResults
    .filter((test) => test.status === "failed")
    .map(({ fullName, failureMessages }) => ({ title: fullName, why: failureMessages.join("\n") }));
  // Such as a server that does not start: then no test has failed, and none has run.
  if (failures.length === 0 && status === "failed") return [{ title: "it starts", why: message }];
  return failures;
}

/** Why the framework itself is not for this runtime, as its `engines` say. */
function unsupported(app, runtime, version) {
  if (!runtime.startsWith("Node")) return undefined;
  const { engines } = JSON.parse(
    readFileSync(join(root, "playground", folderOf(app), "package.json"), "utf8"),
  );
  if (isWanted(version, engines)) return undefined;
  return `needs ${engines.node.replace(">=", "")}`;
}

function folderOf(app) {
  return app === "nitro2" ? "." : app;
}

function unknown(app, runtime) {
  const failures = cells[app][runtime];
  if (!Array.isArray(failures)) return [];
  const isKnown = ({ title }) =>
    known.some((one) => one.app === app && one.runtime === runtime && one.title === title);
  return failures.filter((failure) => !isKnown(failure));
}

function cell(app, runtime) {
  const failures = cells[app][runtime];
  if (!Array.isArray(failures)) return failures;
  if (unknown(app, runtime).length > 0) return "FAILS";
  return failures.length > 0 ? "limits" : "yes";
}
