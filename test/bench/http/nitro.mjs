// A small Nitro app, built for production in a directory of its own. The routes are those of h3.mjs;
// `/bare` touches no session.

import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** Builds the app in `dir`, with sessions in `base`. */
export async function buildNitro(dir, base) {
  mkdirSync(join(dir, "routes"), { recursive: true });
  const visit = JSON.stringify(fileURLToPath(new URL("visit.mjs", import.meta.url)));
  const head = `import { getCookie, setCookie, eventHandler } from "h3";
import { useStorage } from "nitropack/runtime";
import { counted, newData } from ${visit};
`;
  const routes = {
    bare: `eventHandler(() => ({ n: 0 }))`,
    begin: `eventHandler(async (event) => {
  const token = [...crypto.getRandomValues(new Uint8Array(32))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  setCookie(event, "session", token);
  await useStorage("sessions").setItem(token, newData());
  return { n: 0 };
})`,
    read: `eventHandler(async (event) => counted(await useStorage("sessions").getItem(getCookie(event, "session"))))`,
    write: `eventHandler(async (event) => {
  const key = getCookie(event, "session");
  const data = await useStorage("sessions").getItem(key);
  const { n } = counted(data);
  await useStorage("sessions").setItem(key, { ...data, n: n + 1 });
  return { n: n + 1 };
})`,
  };
  for (const [name, handler] of Object.entries(routes))
    writeFileSync(join(dir, "routes", `${name}.get.mjs`), `${head}export default ${handler};\n`);
  const config = {
    preset: "node-listener",
    compatibilityDate: "2025-11-01",
    imports: false,
    storage: { sessions: { driver: "fs", base } },
  };
  writeFileSync(join(dir, "nitro.config.mjs"), `export default ${JSON.stringify(config)};\n`);
  writeFileSync(join(dir, "package.json"), `{ "type": "module", "private": true }\n`);
  const nitropack = dirname(createRequire(import.meta.url).resolve("nitropack/package.json"));
  const command = [join(nitropack, "dist/cli/index.mjs"), "build"];
  // Without jiti's cache, which would be in our node_modules.
  const env = { ...process.env, NODE_ENV: "production", JITI_FS_CACHE: "false" };
  try {
    await promisify(execFile)(process.execPath, command, { cwd: dir, env });
  } catch (error) {
    const said = `${error.stdout}${error.stderr}`.slice(0, 2000);
    throw new Error(`The Nitro app cannot be built: ${said}`, { cause: error });
  }
}

/** What to give to `createServer`, of the app built in `dir`. */
export async function nitroListener(dir) {
  const { listener } = await import(join(dir, ".output/server/index.mjs"));
  return listener;
}
