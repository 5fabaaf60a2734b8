// The package as people get it, once for all apps: packed, and unpacked where they are built.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";

export const root: string = fileURLToPath(new URL("../..", import.meta.url));

declare module "vitest" {
  interface ProvidedContext {
    /** The hash of what is packed: an app is built anew when it changes. */
    packed: string;
  }
}

/**
 * Where the apps are installed and built, outside of this work tree, so that they find nothing in its
 * `node_modules`. It stays, and with it what has been installed: the next run is quicker.
 */
export const place: string = join(
  tmpdir(),
  `filesession-apps-${createHash("sha256").update(root).digest("hex").slice(0, 8)}`,
);

/** `place` holds the package as the work tree does: an app's `file:../..` is what was packed. */
export default function pack(project: TestProject): void {
  const run = (command: string, ...args: string[]): string =>
    execFileSync(command, args, {
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    });
  run("npm", "run", "build", "--silent");
  mkdirSync(place, { recursive: true });
  const flags = ["--json", "--ignore-scripts", "--pack-destination", place];
  const [{ filename }] = JSON.parse(run("npm", "pack", ...flags)) as [{ filename: string }];
  const tarball = join(place, filename);
  for (const old of ["dist", "package.json"])
    rmSync(join(place, old), { recursive: true, force: true });
  run("tar", "-xzf", tarball, "-C", place, "--strip-components=1");
  // Of the work tree, which this is not: Deno would look for the other packages of it.
  const file = join(place, "package.json");
  const { workspaces: _, ...rest } = JSON.parse(readFileSync(file, "utf8")) as {
    workspaces?: unknown;
  };
  writeFileSync(file, JSON.stringify(rest));
  project.provide("packed", createHash("sha256").update(readFileSync(tarball)).digest("hex"));
  rmSync(tarball);
}
