import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

describe.each([
  ["SECURITY.md", 25],
  ["docs/platforms.md", 18],
])("%s", (name, rows) => {
  it("names in each row of each table a test that there is", () => {
    const text = readFileSync(join(root, name), "utf8");
    expect(faultsIn(text)).toEqual([]);
    expect(rowsIn(text).length).toBeGreaterThan(rows);
  });

  it("would be caught with a row that names none, or one that there is not", () => {
    const head = "| a | shown by |\n| --- | --- |\n";
    expect(faultsIn(`${head}| x | nothing |\n`)).toEqual(["| x | nothing |"]);
    for (const link of [
      "[is no test at all](test/session.test.ts)",
      "[does not look at the disk](test/none.test.ts)",
      "[useFileSession](test/session.test.ts)", // there, and no test's title
    ])
      expect(faultsIn(`${head}| x | ${link} |\n`)).toEqual([`| x | ${link} |`]);
  });
});

/** The rows that do not name a test that there is. */
function faultsIn(markdown: string): string[] {
  return rowsIn(markdown).filter((row) => {
    const links = [
      ...row.matchAll(/\[([^\]]+(?:\{[^}]*\}[^\]]*)?)\]\((?:\.\.\/)?(test\/[\w.-]+)\)/g),
    ];
    return links.length === 0 || !links.every(([, title = "", file = ""]) => isTest(title, file));
  });
}

/** The rows of all tables, without their heads. */
function rowsIn(markdown: string): string[] {
  const lines = markdown.split("\n");
  return lines.filter(
    (line, at) =>
      line.startsWith("| ") && !line.startsWith("| -") && !lines[at + 1]?.startsWith("| -"),
  );
}

/** Whether a test's title begins like this. */
function isTest(title: string, file: string): boolean {
  const path = join(root, file);
  if (!existsSync(path)) return false;
  const start = title.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  // `it(` or the end of `it.each(...)(`, perhaps on the line before.
  return new RegExp(`(?:\\bit|\\))\\(\\s*["\`]${start}`).test(readFileSync(path, "utf8"));
}
