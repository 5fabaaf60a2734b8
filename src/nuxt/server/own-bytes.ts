/**
 * A copy, in which each Buffer is an Uint8Array of its own. A small Buffer is a view of memory that it
 * shares with other requests, and devalue 5.6 writes out all of that (5.9 does not).
 */
export function ownBytes(value: unknown, copies: Map<object, object> = new Map()): unknown {
  if (typeof value !== "object" || value === null) return value;
  const known = copies.get(value);
  if (known) return known;
  const keep = <T extends object>(copy: T): T => {
    copies.set(value, copy);
    return copy;
  };
  if (Buffer.isBuffer(value)) return keep(new Uint8Array(value));
  if (Array.isArray(value)) {
    const copy = keep(Array.from<unknown>({ length: value.length }));
    for (const [index, item] of value.entries()) copy[index] = ownBytes(item, copies);
    return copy;
  }
  if (value instanceof Map) {
    const copy = keep(new Map<unknown, unknown>());
    for (const [key, item] of value) copy.set(ownBytes(key, copies), ownBytes(item, copies));
    return copy;
  }
  if (value instanceof Set) {
    const copy = keep(new Set());
    for (const item of value) copy.add(ownBytes(item, copies));
    return copy;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return value;
  const copy = keep(Object.create(prototype as object | null) as Record<string, unknown>);
  for (const [key, item] of Object.entries(value)) copy[key] = ownBytes(item, copies);
  return copy;
}
