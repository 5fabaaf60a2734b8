// Where sessions had better not be kept while the app is developed, beside what Nitro's module knows.

import { relative, resolve, sep } from "node:path";
import type { NuxtLike } from "./nuxt.ts";

/** What is wrong with keeping sessions in `fileDir`, and what to do; if anything is. */
export function watchedPlace(
  fileDir: string = ".data/sessions",
  { options, _ignore }: Pick<NuxtLike, "options" | "_ignore">,
): string | undefined {
  const place = resolve(fileDir);
  const fromRoot = relative(options.rootDir, place);
  if (isBelow(fromRoot) && isIgnored(fromRoot, _ignore)) return undefined;
  const watched = options._layers
    .flatMap(({ config: { srcDir } }) => srcDir ?? [])
    .find((dir) => isBelow(relative(dir, place)));
  if (watched === undefined) return undefined;
  return (
    `Sessions are kept in ${place}, which is in ${watched}: the dev server watches that, and looks ` +
    "through the app anew with each change of a session. Choose another `fileDir`, such as .data/sessions."
  );
}

function isBelow(way: string): boolean {
  return way !== ".." && !way.startsWith(`..${sep}`) && !/^(?:\/|[A-Za-z]:)/.test(way);
}

/** By Nuxt's own word, or by what it ignores unless it is told otherwise. */
function isIgnored(path: string, ignore: NuxtLike["_ignore"]): boolean {
  const parts = path.split(sep);
  if (ignore && path !== "") return ignore.ignores(parts.join("/"));
  return parts.some((part) => /^\.(?:output|cache|data|git)$/.test(part));
}
