// What the subpaths of a package reach: files by way of imports, in the code and in the types, and
// other packages.

import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { parseAst } from "rolldown/parseAst";

/**
 * The files that an export leads to, and the packages that are imported on the way, other than
 * Node's own modules. `needed` are those without which the import fails, or the types do; `optional`
 * those that are imported when somebody asks for it.
 */
export function reachedBy(target, dir) {
  const reached = { files: new Set(), needed: new Set(), optional: new Set() };
  for (const file of targetsIn(target)) follow(join(dir, file), dir, reached);
  return reached;
}

/** The files that stand in a value of `exports`, whatever the conditions. */
function targetsIn(target) {
  return typeof target === "string" ? [target] : Object.values(target ?? {}).flatMap(targetsIn);
}

function follow(path, dir, reached) {
  const file = relative(dir, path);
  if (reached.files.has(file)) return;
  reached.files.add(file);
  if (!/\.[cm]?[jt]s$/.test(file)) return;
  const isTypes = /\.d\.[cm]?ts$/.test(file);
  const text = readFileSync(path, "utf8");
  for (const { specifier, isOptional } of importsOf(text, isTypes ? "dts" : "js")) {
    if (specifier.startsWith(".")) {
      const named = join(dirname(path), specifier);
      follow(isTypes ? named.replace(/(?:\.d)?\.([cm]?)[jt]s$/, ".d.$1ts") : named, dir, reached);
    } else if (!specifier.startsWith("node:")) {
      const name = /^(?:@[^/]+\/)?[^/]+/.exec(specifier)[0];
      reached[isOptional ? "optional" : "needed"].add(name);
    }
  }
}

function importsOf(text, lang) {
  const imports = [];
  const add = (source, isOptional) => {
    if (typeof source?.value === "string") imports.push({ specifier: source.value, isOptional });
  };
  const look = (node) => {
    if (node === null || typeof node !== "object") return;
    if (node.type === "ImportExpression") add(node.source, true);
    else if (isOwnUrl(node)) add(node.arguments[0], false);
    else if (node.type === "TSImportType") add(node.source ?? node.argument?.literal, false);
    else if (/^(?:Import|Export\w+)Declaration$/.test(node.type)) add(node.source, false);
    for (const child of Object.values(node)) look(child);
  };
  look(parseAst(text, { lang }));
  for (const [, specifier] of text.matchAll(/^\/\/\/ <reference (?:path|types)="([^"]+)"/gm))
    imports.push({ specifier, isOptional: false });
  return imports;
}

/** `new URL("./thread.js", import.meta.url)` */
function isOwnUrl({ type, callee, arguments: [, base] = [] }) {
  return type === "NewExpression" && callee.name === "URL" && base?.object?.type === "MetaProperty";
}
