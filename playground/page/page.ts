import { cartPart } from "./cart-part.ts";
import { devicesPart } from "./devices-part.ts";
import { filePart } from "./file-part.ts";
import { html, type Html } from "./html.ts";
import { mountPart } from "./mount-part.ts";
import { personPart } from "./person-part.ts";
import { racePart } from "./race-part.ts";
import { typesPart } from "./types-part.ts";
import type { View } from "./view.ts";
import { visitsPart } from "./visits-part.ts";
import { words } from "./words.ts";

/**
 * The whole page. What has `data-part` is what page.js puts in place of its namesake when an action
 * comes back.
 */
export function page(view: View): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>filesession playground</title>
        <link rel="icon" href="/icon.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="/page.css" />
        <script type="module" src="/page.js"></script>
      </head>
      <body>
        <header class="top">
          <p class="mark">filesession</p>
          <p class="served">
            served by process <strong id="pid" data-part>${view.process.pid}</strong>
          </p>
        </header>
        <main>
          <div class="lead">
            <h1>${words.title}</h1>
            <p>${words.lead}</p>
          </div>
          <div class="desk">
            <div class="doings">${visitsPart(view)} ${personPart(view)} ${cartPart(view)}</div>
            ${filePart(view)}
          </div>
          ${devicesPart(view)} ${racePart(view)} ${typesPart(view)} ${mountPart(view)}
        </main>
        <p class="notice" id="notice" role="status">
          ${view.notice && html`<span>${view.notice}</span>`}
        </p>
      </body>
    </html>`;
}
