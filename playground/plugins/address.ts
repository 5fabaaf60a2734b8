import { defineNitroPlugin } from "#framework";
import { place } from "../place/place.ts";

/** Says where to look. Nitro names the address it listens on, which is rarely one to click. */
export default defineNitroPlugin(() => {
  const port = process.env["NITRO_PORT"] || process.env["PORT"] || "3000";
  const where = port === "0" ? "the playground" : `http://localhost:${port}`;
  console.log(`${where}: process ${process.pid}, sessions in ${place.where}`);
});
