// contract.mjs [options as JSON]: the contract of handlers over FileHandler, one fact after the
// other; prints which did not hold, as JSON.

import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FileHandler } from "filesession";
import { moveClock, testHandler } from "filesession/testing";

const options = JSON.parse(process.argv[2] ?? "{}");
const tests = [];
testHandler((title, test) => tests.push({ title, test }), newHarness);

const report = { passed: 0, failures: [] };
for (const { title, test } of tests) {
  try {
    await test();
    report.passed++;
  } catch (error) {
    report.failures.push({ title, why: String(error?.stack ?? error) });
  }
}
console.log(JSON.stringify(report));
process.exit();

function newHarness() {
  const base = mkdtempSync(join(tmpdir(), "filesession-"));
  const fileDir = join(base, "sessions");
  const clock = moveClock();
  return {
    open: () => new FileHandler({ fileDir, ...options }),
    advance: clock.advance,
    breakPlace() {
      renameSync(fileDir, join(base, "moved away"));
      writeFileSync(fileDir, "a file where the directory was");
    },
    close() {
      clock.restore();
      rmSync(base, { recursive: true });
    },
  };
}
