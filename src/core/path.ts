/** Where in a session's data a value is, as code has it: `data.cart[2]["a b"]`. */
export function dataPath(keys: readonly PropertyKey[]): string {
  return `data${keys.map(step).join("")}`;
}

function step(key: PropertyKey): string {
  if (typeof key !== "string") return `[${String(key)}]`;
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}
