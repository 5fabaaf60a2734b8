/** Markup that is safe to put on a page as it is. Only the `html` tag makes it. */
export interface Html {
  readonly markup: string;
}

type Value = Html | string | number | false | undefined | readonly Value[];

/** A template whose values are escaped, unless they are `html` themselves. */
export function html(strings: TemplateStringsArray, ...values: Value[]): Html {
  const markup = strings.map((string, i) => (i === 0 ? "" : rendered(values[i - 1])) + string);
  return { markup: markup.join("") };
}

function rendered(value: Value): string {
  if (value === undefined || value === false) return "";
  if (Array.isArray(value)) return value.map(rendered).join("");
  if (typeof value === "object") return (value as Html).markup;
  return String(value).replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
