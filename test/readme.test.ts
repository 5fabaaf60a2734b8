import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import { parseDocument } from "yaml";

const root = fileURLToPath(new URL("..", import.meta.url));
const docs = readdirSync(join(root, "docs"))
  .filter((name) => name.endsWith(".md"))
  .map((name) => `docs/${name}`);
const pages = ["README.md", ...docs];
const texts = pages.map(read);
const tsc = join(
  dirname(createRequire(import.meta.url).resolve("typescript/package.json")),
  "bin/tsc",
);

describe("README.md and docs/", () => {
  it("have snippets that compile against the built package", () => {
    const snippets = texts
      .flatMap(blocksIn)
      .filter(({ language, info }) => language === "ts" && !isExcerpt(info) && !isOfNuxt(info))
      .map(({ info, code }) => (info === "h3@2" ? code.replaceAll('"h3"', '"h3-v2"') : code));
    expect(snippets.length).toBeGreaterThanOrEqual(3);
    // Inside of the package, where its own name and its dependencies are found.
    mkdirSync(join(root, "node_modules/.cache"), { recursive: true });
    const dir = mkdtempSync(join(root, "node_modules/.cache/readme-"));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const files = snippets.map((code, index) => {
      const file = join(dir, `snippet-${index}.ts`);
      writeFileSync(file, code);
      return file;
    });
    const flags = ["--noEmit", "--strict", "--skipLibCheck", "--types", "node"];
    const modern = ["--module", "nodenext", "--target", "es2022", "--lib", "es2023,esnext,dom"];
    const compile = (...some: string[]): string =>
      run(process.execPath, [tsc, "--ignoreConfig", ...flags, ...modern, ...some]);
    // One that types the whole app is an app of its own.
    const isAlone = (file: string): boolean =>
      readFileSync(file, "utf8").includes("declare module");
    expect(compile(...files.filter((file) => !isAlone(file)))).toBe("");
    for (const file of files.filter(isAlone)) expect(compile(file)).toBe("");
  });

  it("show the apps of playground/ as they are", () => {
    const excerpts = texts.flatMap(blocksIn).filter(({ info }) => isExcerpt(info));
    expect(excerpts.length).toBeGreaterThanOrEqual(3);
    for (const { info, code } of excerpts) expect(partsMissing(code, read(info))).toEqual([]);
  });

  it("would be caught with an app that is otherwise", () => {
    const app = "import a;\n\na();\nb();\nc();\n";
    expect(partsMissing("  a();\n  // ...\n  c();\n", app)).toEqual([]);
    expect(partsMissing("import a;\na();\n", app)).toEqual(["import a;\na();\n"]);
    expect(partsMissing("c();\n// ...\na();\n", app)).toEqual(["a();\n"]);
  });

  it("have no other block that its language does not take", () => {
    const others = texts
      .flatMap(blocksIn)
      .filter(({ language, info }) => language !== "ts" && !isOfNuxt(info));
    expect(others.filter(({ language, code }) => !isTaken(language, code))).toEqual([]);
  });

  it("would be caught with a block that its language does not take", () => {
    for (const [language, code] of [
      ["json", "{ a: 1 }"],
      ["yaml", "a: [1\nb: 2"],
      ["sh", "if true; then"],
      ["ini", "[Unit\nAfter=x"],
      ["dockerfile", "FORM node:24"],
      ["cobol", ""],
    ] as const)
      expect(isTaken(language, code), language).toBe(false);
  });

  it("have links that lead to a file, and to a heading in it", () => {
    const linked = [...pages, "SECURITY.md", "playground/README.md"];
    expect(linked.flatMap((page) => deadLinksIn(page, read(page)))).toEqual([]);
  });

  it("would be caught with a link that leads nowhere", () => {
    const page = "# A page\n\n## What it `costs`, in µs\n";
    const dead = (link: string): string[] => deadLinksIn("docs/page.md", `${page}[x](${link})`);
    expect(dead("#what-it-costs-in-µs")).toEqual([]);
    expect(dead("../README.md#try-it")).toEqual([]);
    expect(dead("https://nitro.build/none")).toEqual([]);
    for (const link of [
      "#none",
      "none.md",
      "README.md#none",
      "../README.md#none",
      "../src/none.ts",
    ])
      expect(dead(link)).toEqual([`docs/page.md: ${link}`]);
  });

  it("name each page in the index", () => {
    const index = prose(read("docs/README.md"));
    const missing = docs.filter((page) => !index.includes(`(${page.slice("docs/".length)})`));
    expect(missing).toEqual(["docs/README.md"]);
  });

  it("name only scripts that there are", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    for (const [, name = ""] of texts.join().matchAll(/npm (?:run )?(test|playground|bench)\b/g))
      expect(scripts).toHaveProperty(name);
  });
});

function read(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

interface Block {
  language: string;
  /**
   * What stands behind the language: `h3@2` where that is what `"h3"` means; the file of an app in
   * playground/ that it is an excerpt of; `[app/app.vue]` where it is that file of a Nuxt app, which is
   * compiled in nuxt.test.ts.
   */
  info: string;
  code: string;
}

function blocksIn(text: string): Block[] {
  return [...text.matchAll(/^```(\w+)(?: (\S+))?\n(.*?)^```/gms)].map(
    ([, language = "", info = "", code = ""]) => ({ language, info, code }),
  );
}

function isExcerpt(info: string): boolean {
  return info.startsWith("playground/");
}

/**
 * What is not in the file, or not in this order. Between `// ...` lines there is more of it; how far the
 * lines are indented does not count.
 */
function partsMissing(excerpt: string, file: string): string[] {
  const flush = (text: string): string => text.replaceAll(/^ +/gm, "");
  let from = 0;
  return flush(excerpt)
    .split(/^\/\/ \.\.\.\n/m)
    .filter((part) => {
      const at = flush(file).indexOf(part, from);
      if (at === -1) return true;
      from = at + part.length;
      return false;
    });
}

function isOfNuxt(info: string): boolean {
  return info.startsWith("[");
}

/** Whether the block is in its language, as far as can be told by reading it. */
function isTaken(language: string, code: string): boolean {
  switch (language) {
    case "text":
      return true; // what a program shows
    case "python":
      return true; // run in protocol.test.ts
    case "json":
      return isJson(code);
    case "yaml":
      return parseDocument(code).errors.length === 0;
    case "sh":
      return run("bash", ["-n", "-c", code]) === "";
    case "ini": // of systemd
      return everyLine(code, /^(?:\[[A-Z]\w+\]|[A-Z]\w+=.*|#.*|)$/);
    case "dockerfile":
      return everyLine(
        code.replaceAll("\\\n", " "),
        /^(?:(?:FROM|ARG|ENV|WORKDIR|COPY|RUN|USER|VOLUME|EXPOSE|STOPSIGNAL|CMD|ENTRYPOINT) .+|#.*|)$/,
      );
    default:
      return false;
  }
}

function isJson(code: string): boolean {
  try {
    JSON.parse(code);
    return true;
  } catch {
    return false;
  }
}

function everyLine(code: string, line: RegExp): boolean {
  return code.split("\n").every((one) => line.test(one));
}

/** The links of a page that lead to no file here, or to no heading in it. */
function deadLinksIn(page: string, text: string): string[] {
  const links = [...prose(text).matchAll(/\]\(([^()\s]+)\)/g)].map(([, link = ""]) => link);
  const relative = links.filter((link) => !/^[a-z]+:/.test(link));
  const isDead = (link: string): boolean => {
    const [path = "", anchor] = link.split("#");
    const target = path === "" ? page : posix.join(posix.dirname(page), path);
    if (path !== "" && !existsSync(join(root, target))) return true;
    return anchor !== undefined && !anchorsIn(path === "" ? text : read(target)).has(anchor);
  };
  return relative.filter(isDead).map((link) => `${page}: ${link}`);
}

/** A text without its code and its comments. */
function prose(text: string): string {
  return text.replaceAll(/^```.*?^```|<!--.*?-->/gms, "").replaceAll(/`[^`\n]+`/g, "");
}

/** What GitHub makes of the headings of a page. */
function anchorsIn(text: string): Set<string> {
  const headings = text.replaceAll(/^```.*?^```/gms, "").matchAll(/^#{1,6} (.+)$/gm);
  const anchors = new Set<string>();
  for (const [, heading = ""] of headings) {
    const words = heading.replaceAll(/\[([^\]]+)\]\([^)]*\)/g, "$1").toLowerCase();
    const anchor = words.replaceAll(/[^\p{L}\p{N}\p{M}\p{Pc} -]/gu, "").replaceAll(" ", "-");
    let number = 0;
    while (anchors.has(number === 0 ? anchor : `${anchor}-${number}`)) number++;
    anchors.add(number === 0 ? anchor : `${anchor}-${number}`);
  }
  return anchors;
}

/** What a command had to say; nothing when all went well. */
function run(command: string, args: string[]): string {
  try {
    execFileSync(command, args, { cwd: root, stdio: "pipe" });
    return "";
  } catch (error) {
    const { stdout, stderr } = error as { stdout: Buffer; stderr: Buffer };
    return `${stdout.toString()}${stderr.toString()}`;
  }
}
