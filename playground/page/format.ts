import { html, type Html } from "./html.ts";

/** Enough of an id to tell it from the others. */
export function shortId(id: string): string {
  return id.length > 18 ? `${id.slice(0, 12)}…` : id;
}

/** A moment to the second, in UTC: what the file says, wherever the reader is. */
export function moment(at: Date | number): Html {
  const iso = new Date(at).toISOString();
  return html`<time datetime="${iso}">${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC</time>`;
}

export function price(cents: bigint): string {
  return `${cents / 100n}.${String(cents % 100n).padStart(2, "0")}`;
}

export function grouped(count: number): string {
  return count.toLocaleString("en-US");
}
