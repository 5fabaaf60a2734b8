/** One value in a session, and where it is. */
export interface Row {
  path: string;
  type: string;
  value: string;
}

/** Every map and every leaf in `data`, with the type it has now that it was read back. */
export function typedRows(data: object): Row[] {
  return Object.entries(data).flatMap(([key, value]) => rowsOf(key, value));
}

function rowsOf(path: string, value: unknown): Row[] {
  if (value instanceof Date) return [{ path, type: "Date", value: value.toISOString() }];
  if (value instanceof Map) {
    const inner = [...value].flatMap(([key, item]) =>
      rowsOf(`${path}.get(${JSON.stringify(key)})`, item),
    );
    return [
      { path, type: "Map", value: `${value.size} ${value.size === 1 ? "entry" : "entries"}` },
      ...inner,
    ];
  }
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).flatMap(([key, item]) => rowsOf(`${path}.${key}`, item));
  }
  if (typeof value === "bigint") return [{ path, type: "bigint", value: `${value}n` }];
  return [{ path, type: typeof value, value: JSON.stringify(value) ?? String(value) }];
}
