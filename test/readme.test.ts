import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");
const pages = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));
const texts = [readme, ...pages.map((name) => readFileSync(join(root, "docs", name), "utf8"))];
const tsc = join(
  dirname(createRequire(import.meta.url).resolve("typescript/package.json")),
  "bin/tsc",
);

describe("README.md and docs/", () => {
  it("have snippets that compile against the built package", () => {
    const snippets = texts.flatMap((text) =>
      [...text.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code = ""]) => code),
    );
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

  it("name only scripts that there are", () => {
    const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      scripts: Record<string, string>;
    };
    for (const [, name = ""] of texts.join().matchAll(/npm (?:run )?(test|playground|bench)\b/g))
      expect(scripts).toHaveProperty(name);
  });
});

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
