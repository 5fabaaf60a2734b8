// The load: wrk on the core that is not the server's, 64 connections that stay open, a random cookie
// on each request.

import { fileURLToPath } from "node:url";
import { spawnOn } from "../child.mjs";

const script = fileURLToPath(new URL("cookies.lua", import.meta.url));

/**
 * Loads `url` for `seconds`: `{ requests, micros, failed, p50 }`. `cookies` is a file with one on
 * each line.
 */
export async function load(url, cookies, seed, seconds) {
  // It knows whole seconds only, but ends well when it is interrupted.
  const options = ["-t", "1", "-c", "64", "-d", `${Math.ceil(seconds)}s`, "--timeout", "60s"];
  const wrk = spawnOn(1, "wrk", [...options, "-s", script, url, "--", cookies, String(seed)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let timer;
  let said = "";
  wrk.stdout.on("data", (text) => {
    said += text;
    if (said.startsWith("READY")) timer ??= setTimeout(() => wrk.kill("SIGINT"), 1000 * seconds);
  });
  wrk.stderr.on("data", (text) => (said += text));
  await new Promise((resolve, reject) => wrk.once("close", resolve).once("error", reject));
  clearTimeout(timer);
  const summary = /^SUMMARY (.*)$/m.exec(said)?.[1];
  if (summary === undefined) throw new Error(`wrk has failed: ${said}`);
  return JSON.parse(summary);
}
