// What the storms have done, as one table when all are over.
//
// A storm runs in a process of its own, so each of its lines goes into a file whose name the setup
// has put into the environment; the setup prints them all at the end.

import { appendFileSync, readFileSync } from "node:fs";

/** The columns of the table. Whatever else a storm has counted stands in the last one. */
const columns = [
  "acknowledged",
  "kills",
  "pauses",
  "states",
  "histories",
  "rounds",
  "violations",
] as const;

interface Line {
  row: number;
  what: string;
  figures: Record<string, number>;
}

/**
 * Notes what a storm has done: call it before the storm's expectations, so that a red one is in the
 * table as well. `row` is the promise it belongs to; `figures` are counts, `violations` always
 * among them. The storm over something broken on purpose begins its `what` with `twin: `; its
 * violations are what it has found.
 */
export function report(row: number, what: string, figures: Record<string, number>): void {
  const line: Line = { row, what, figures };
  process.stdout.write(`row ${row}, ${what}: ${JSON.stringify(figures)}\n`);
  const file = process.env.STORM_REPORT;
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(line)}\n`);
}

/** All that has been noted in `file`, by rows, as a Markdown table. */
export function tableOf(file: string): string {
  const lines = readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line)
    .sort((a, b) => a.row - b.row);
  const cells = [["row", "storm", ...columns, "also"], ...lines.map(cellsOf)];
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  const isText = (column: number): boolean => column === 1 || column === widths.length - 1;
  const rule = widths.map((width, column) =>
    isText(column) ? "-".repeat(width) : `${"-".repeat(width - 1)}:`,
  );
  const [head, ...body] = cells.map((row) =>
    row.map((cell, column) =>
      isText(column) ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
    ),
  );
  return [head!, rule, ...body].map((row) => `| ${row.join(" | ")} |`).join("\n");
}

function cellsOf({ row, what, figures }: Line): string[] {
  const shown = new Set<string>(columns);
  const known = columns.map((name) => figures[name]?.toLocaleString("en") ?? "");
  const others = Object.entries(figures)
    .filter(([name]) => !shown.has(name))
    .map(([name, count]) => `${name} ${count.toLocaleString("en")}`);
  return [String(row), what, ...known, others.join(", ")];
}
