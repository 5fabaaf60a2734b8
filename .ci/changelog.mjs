// changelog.mjs: what stands under "Unreleased" in CHANGELOG.md becomes that of the version in
// package.json. `npm version` calls it.
//
// changelog.mjs v1.2.3: prints what stands there of that version, which has to be the one in
// package.json.

import { readFileSync, writeFileSync } from "node:fs";

const file = "CHANGELOG.md";
const text = readFileSync(file, "utf8");
const current = `v${JSON.parse(readFileSync("package.json", "utf8")).version}`;
const tag = process.argv[2];

if (tag === undefined) {
  notesOf("Unreleased");
  writeFileSync(file, text.replace("\n## Unreleased\n", `\n## ${current}\n`));
} else {
  if (tag !== current) throw new Error(`the tag is ${tag}, and package.json has ${current}`);
  process.stdout.write(notesOf(tag));
}

function notesOf(title) {
  const section = text.split(/^## /m).find((section) => section.startsWith(`${title}\n`));
  const notes = section?.slice(title.length).trim();
  if (!notes) throw new Error(`${file} has nothing under "## ${title}"`);
  return `${notes}\n`;
}
