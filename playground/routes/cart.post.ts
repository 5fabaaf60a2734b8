import { defineEventHandler, httpError, readBody, seeOther } from "#framework";
import { articles, withArticle } from "../cart.ts";
import { isOver, useVisitor } from "../session.ts";

export default defineEventHandler(async (event) => {
  const body = await readBody<{ add?: unknown; remove?: unknown } | undefined>(event);
  const article = body?.add ?? body?.remove;
  if (typeof article !== "string" || !articles.has(article)) {
    throw httpError(400, "The shop has no such article.");
  }

  const session = await useVisitor(event);
  const after = isOver(event, session) ? "over" : "cart";
  // The function gets the cart as it is on disk now, so two clicks at once are two articles.
  await session.update((data) => ({ cart: withArticle(data.cart, article, body?.add ? 1 : -1) }));
  return seeOther(event, `/?after=${after}`);
});
