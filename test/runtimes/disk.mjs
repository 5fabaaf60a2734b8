// disk.mjs: what this runtime tells of files, which locks and caches go by; prints what did not hold, as JSON.

import assert from "node:assert/strict";
import { lstatSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const dir = mkdtempSync(join(tmpdir(), "filesession-"));

const facts = {
  "a ctime is finer than a second": async () => {
    const seen = Array.from({ length: 5 }, (_, index) => {
      const path = join(dir, `ctime${index}`);
      writeFileSync(path, "");
      return lstatSync(path).ctimeMs;
    });
    assert.ok(
      seen.some((ms) => ms % 1000 !== 0),
      `${seen}`,
    );
  },

  "an mtime is finer than a millisecond": async () => {
    const path = join(dir, "mtime");
    writeFileSync(path, "");
    utimesSync(path, 1e9 + 0.123456, 1e9 + 0.123456);
    const { mtimeNs } = lstatSync(path, { bigint: true });
    assert.notEqual(mtimeNs % 1_000_000n, 0n, `${mtimeNs}`);
  },
};

const report = { passed: 0, failures: [] };
for (const [title, fact] of Object.entries(facts)) {
  try {
    await fact();
    report.passed++;
  } catch (error) {
    report.failures.push({ title, why: String(error?.stack ?? error) });
  }
}
rmSync(dir, { recursive: true });
console.log(JSON.stringify(report));
