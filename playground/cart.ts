/** What is in the cart, by article. */
export type Cart = Map<string, CartLine>;

interface CartLine {
  count: number;
  /** Of one piece. A bigint, so that no sum is ever rounded. */
  cents: bigint;
  added: Date;
}

/** What the shop sells. */
export const articles: ReadonlyMap<string, { name: string; cents: bigint }> = new Map([
  ["cards", { name: "Index cards", cents: 450n }],
  ["folder", { name: "Manila folder", cents: 120n }],
  ["stamp", { name: "Date stamp", cents: 1890n }],
]);

/** `cart` with `by` more of an article, or fewer. The line goes when nothing is left of it. */
export function withArticle(cart: Cart | undefined, article: string, by: 1 | -1): Cart {
  const known = articles.get(article);
  const changed: Cart = new Map(cart);
  const line = changed.get(article);
  const count = Math.min((line?.count ?? 0) + by, 99);
  if (count <= 0) changed.delete(article);
  else if (known) changed.set(article, { added: new Date(), ...line, cents: known.cents, count });
  return changed;
}

export function totalCents(cart: Cart): bigint {
  let total = 0n;
  for (const { count, cents } of cart.values()) total += BigInt(count) * cents;
  return total;
}
