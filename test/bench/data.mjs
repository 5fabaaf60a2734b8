// What the sessions hold, and under which ids: plain JSON as an app has it, a user, roles and a
// cart, of so and so many bytes. The same in every run.

import { createHash } from "node:crypto";
import { randomFrom } from "./measure.mjs";

const things = ["black tea", "a lamp", "bicycle chain", "notebook A5", "oat milk", "rain jacket"];

/** Data of exactly `bytes` bytes of JSON, 200 at least; `n` is told by `visits`. */
export function sessionData(bytes, n = 0) {
  const random = randomFrom(bytes);
  const data = {
    visits: 1_000_000 + n,
    user: { id: 4_000_017, name: "Ada Lovelace", email: "ada@example.org", locale: "en" },
    roles: ["customer", "editor"],
    loggedIn: 1_764_000_000_000,
    isTrusted: true,
    note: "",
    cart: [],
  };
  let left = bytes - sizeOf(data);
  if (left < 0) throw new Error(`sessions have more than ${bytes} bytes`);
  for (;;) {
    const item = {
      sku: `B${Math.floor(random() * 1e9)}`,
      title: things[Math.floor(random() * things.length)],
      count: 1 + Math.floor(random() * 5),
      price: { amount: Math.floor(random() * 10_000) / 100, currency: "EUR" },
    };
    const size = sizeOf(item) + (data.cart.length > 0 ? 1 : 0); // and its comma
    if (size > left) break;
    data.cart.push(item);
    left -= size;
  }
  data.note = "x".repeat(left);
  return data;
}

export function sizeOf(data) {
  return Buffer.byteLength(JSON.stringify(data));
}

/** An id as filesession has them: a hash of 64 hex characters. */
export function sessionId(n) {
  return createHash("sha256").update(String(n)).digest("hex");
}
