import { articles, totalCents } from "../cart.ts";
import { price } from "./format.ts";
import { html, type Html } from "./html.ts";
import type { View } from "./view.ts";

export function cartPart({ session }: View): Html {
  const { cart = new Map() } = session.data;
  return html`<section id="cart" data-part aria-labelledby="cart-title">
    <h2 id="cart-title" tabindex="-1">Cart</h2>
    <form method="post" action="/cart" data-live>
      <ul class="shelf">
        ${[...articles].map(([article, { name, cents }]) =>
          shelfRow(article, name, cents, cart.get(article)?.count ?? 0),
        )}
      </ul>
    </form>
    <p class="total">
      <span>Total</span> <strong id="cart-total">${price(totalCents(cart))}</strong>
    </p>
  </section>`;
}

function shelfRow(article: string, name: string, cents: bigint, count: number): Html {
  return html`<li>
    <span class="article">${name}</span>
    <span class="price">${price(cents)}</span>
    <span class="stepper">
      <button
        id="remove-${article}"
        name="remove"
        value="${article}"
        aria-label="One ${name} fewer"
        ${count === 0 && "disabled"}
      >
        −
      </button>
      <output id="count-${article}" aria-label="${name} in the cart">${count}</output>
      <button id="add-${article}" name="add" value="${article}" aria-label="One ${name} more">
        +
      </button>
    </span>
  </li>`;
}
