// Plain tables for a terminal.

/** One line per row, the keys as heads; numbers stand on the right. */
export function table(rows) {
  const heads = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const lines = [heads, ...rows.map((row) => heads.map((head) => text(row[head])))];
  const widths = heads.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const isNumeric = heads.map((head) => rows.every((row) => typeof row[head] !== "string"));
  const format = (line) =>
    line
      .map((cell, column) =>
        isNumeric[column] ? cell.padStart(widths[column]) : cell.padEnd(widths[column]),
      )
      .join("  ")
      .trimEnd();
  return [format(lines[0]), widths.map((width) => "-".repeat(width)).join("  ")]
    .concat(lines.slice(1).map(format))
    .join("\n");
}

/** The figures as rows: what was to be reached, and whether it was. */
export function figureRows(figures) {
  return [...figures]
    .sort((a, b) => a.number - b.number)
    .map((figure) => ({
      "#": figure.number,
      figure: figure.what,
      "to reach":
        figure.atMost === undefined ? `>= ${text(figure.atLeast)}` : `<= ${text(figure.atMost)}`,
      measured: text(figure.measured),
      reached: reached(figure),
    }));
}

function reached({ measured, atLeast = -Infinity, atMost = Infinity, why = "not measured" }) {
  if (measured === undefined) return why;
  return measured >= atLeast && measured <= atMost ? "yes" : "no";
}

function text(value) {
  if (value === undefined) return "-";
  if (typeof value !== "number") return String(value);
  return value.toLocaleString("en-US", { maximumSignificantDigits: 21 });
}
