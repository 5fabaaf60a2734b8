/** One value in a session, and where it is. */
export interface Row {
  path: string;
  type: string;
  value: string;
}

/** Every map, set and leaf in `data`, with its type. What is met again is not followed again. */
export function typedRows(data: object): Row[] {
  const seen = new Set<object>([data]);
  return Object.entries(data).flatMap(([key, value]) => rowsOf(key, value, seen));
}

function rowsOf(path: string, value: unknown, seen: Set<object>): Row[] {
  if (typeof value === "bigint") return [{ path, type: "bigint", value: `${value}n` }];
  if (typeof value !== "object" || value === null)
    return [{ path, type: value === null ? "null" : typeof value, value: textOf(value) }];
  if (seen.has(value)) return [{ path, type: "reference", value: "to what is above" }];
  seen.add(value);
  if (value instanceof Date) return [{ path, type: "Date", value: textOf(value) }];
  if (value instanceof Map || value instanceof Set) {
    const row = { path, type: value.constructor.name, value: `${value.size} in it` };
    const items = [...value.entries()].flatMap(([key, item]: [unknown, unknown], index) => {
      const at = value instanceof Set ? `[${index}]` : `.get(${textOf(key)})`;
      return rowsOf(path + at, item, seen);
    });
    return [row, ...items];
  }
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer)
    return [{ path, type: value.constructor.name, value: `${value.byteLength} bytes` }];
  if (Array.isArray(value)) {
    const row = { path, type: "array", value: `${value.length} in it` };
    return [row, ...value.flatMap((item, index) => rowsOf(`${path}[${index}]`, item, seen))];
  }
  const entries = Object.entries(value);
  if (entries.length === 0)
    return [{ path, type: value.constructor?.name ?? "object", value: String(value) }];
  return entries.flatMap(([key, item]) => rowsOf(`${path}.${key}`, item, seen));
}

function textOf(value: unknown): string {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "invalid" : value.toISOString();
  if (typeof value === "bigint") return `${value}n`;
  return JSON.stringify(value) ?? String(value);
}
