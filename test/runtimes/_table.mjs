/** Rows of texts, the columns below each other. */
export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => row.map((text, i) => text.padEnd(widths[i])).join("  ")).join("\n");
}
