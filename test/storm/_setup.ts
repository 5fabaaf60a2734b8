import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import build from "../_build.ts";
import { tableOf } from "./_report.ts";

/** Builds the package before all storms, and prints what they have done after them. */
export default function setup(): () => void {
  build();
  const dir = mkdtempSync(join(tmpdir(), "filesession-storm-"));
  const report = join(dir, "report");
  writeFileSync(report, "");
  process.env.STORM_REPORT = report;
  return () => {
    process.stdout.write(`\n${tableOf(report)}\n`);
    rmSync(dir, { recursive: true });
  };
}
