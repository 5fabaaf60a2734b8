// What an app pays that takes one thing of filesession and bundles it: everything else has to go,
// and what is left has to work.

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";

// What there is now, which the README tells, and some room to grow.
const atMostGzipped = { useFileSession: 40_000, FileHandler: 28_000 };

const programs = {
  useFileSession: `
    const visit = async (cookie) => {
      const request = new Request("http://localhost/", { headers: { cookie } });
      const responseHeaders = new Headers();
      const session = await useFileSession({ request, responseHeaders }, { fileDir: "bundled" });
      await session.update(({ n = 0 }) => ({ n: n + 1 }));
      return { n: session.data.n, cookie: responseHeaders.get("set-cookie") };
    };
    const { cookie } = await visit("");
    const { n } = await visit(cookie);
    if (n !== 2) throw new Error("two visits made " + n);`,
  FileHandler: `
    const handler = new FileHandler({ fileDir: "bundled" });
    await handler.store("a", { at: new Map([["tea", new Date(0)]]) });
    const { data } = await handler.retrieve("a");
    if (data.at.get("tea").getTime() !== 0) throw new Error("it came back as something else");
    await handler.close();`,
};

/** Bundles parts of the package that is installed in this project, prints the sizes, and runs them. */
export async function checkSizes(project, specifiers) {
  for (const specifier of specifiers) {
    const { code } = await bundle(project, `import ${JSON.stringify(specifier)};`);
    if (code.includes("import") || code.length > 20)
      throw new Error(`not used, and yet in the bundle: ${specifier}\n${code}`);
  }
  for (const [name, program] of Object.entries(programs)) {
    const { code } = await bundle(project, `export { ${name} } from "filesession";`);
    writeFileSync(join(project, `${name}.bundle.js`), code);
    execFileSync(
      process.execPath,
      ["--input-type=module", "-e", `import { ${name} } from "./${name}.bundle.js";${program}`],
      { cwd: project, stdio: ["ignore", "ignore", "inherit"] },
    );
    const gzipped = gzipSync(code).length;
    console.log(`${name} alone, bundled: ${code.length} bytes, ${gzipped} gzipped, and works`);
    if (gzipped > atMostGzipped[name])
      throw new Error(`${name}: more than ${atMostGzipped[name]} bytes, gzipped`);
  }
}

async function bundle(project, program) {
  const input = join(project, "entry.js");
  writeFileSync(input, program);
  const build = await rolldown({
    input,
    cwd: project,
    platform: "node",
    external: [/^node:/, /^iron-webcrypto$/],
  });
  const { output } = await build.generate({ minify: true, codeSplitting: false });
  return output[0];
}
