// Where sessions had better not be kept.

import { join, relative, resolve, sep } from "node:path";
import type { NitroOptionsLike } from "./instance.ts";

/** What is wrong with keeping sessions in `fileDir`, and what to do; if anything is. */
export function badPlace(fileDir: string, options: NitroOptionsLike): string | undefined {
  const place = resolve(fileDir);
  const within = (dirs: readonly string[]): string | undefined =>
    dirs.find((dir) => isInside(place, resolve(dir)));
  const say = (why: string): string =>
    `Sessions are kept in ${place}, ${why}. Choose another \`fileDir\`, such as .data/sessions.`;

  const shown = within((options.publicAssets ?? []).map(({ dir }) => dir));
  if (shown !== undefined) return say(`which is in ${shown}: everybody can download what is there`);

  const built = within([options.output.dir, options.buildDir]);
  if (built !== undefined)
    return say(`which is in ${built}: every build empties that, and all sessions with it`);

  const watched = within(watchedDirs(options));
  if (watched !== undefined)
    return say(
      `which is in ${watched}: the dev server watches that, and would rebuild for sessions`,
    );
  return undefined;
}

/**
 * The directories in which a new file makes the dev server rebuild or reload. It is the same with both
 * majors, and is less than it seems: of the root and the scanned directories only these parts, and
 * otherwise the files that are imported. So `.data` is not watched, wherever it is.
 */
function watchedDirs({ scanDirs, apiDir, routesDir, devServer }: NitroOptionsLike): string[] {
  const parts = [apiDir || "api", routesDir || "routes", "middleware", "plugins", "modules"];
  return [
    ...scanDirs.flatMap((dir) => parts.map((part) => join(dir, part))),
    ...(devServer?.watch ?? []).filter((path) => !/[*?{[]/.test(path)), // a pattern may mean anything
  ];
}

function isInside(place: string, dir: string): boolean {
  const way = relative(dir, place);
  return way !== ".." && !way.startsWith(`..${sep}`) && !/^(?:\/|[A-Za-z]:)/.test(way);
}
