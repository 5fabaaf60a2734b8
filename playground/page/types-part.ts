import { typedRows } from "../typed-rows.ts";
import { html, type Html } from "./html.ts";
import type { View } from "./view.ts";

export function typesPart({ session }: View): Html {
  const rows = typedRows(session.data);
  return html`<section class="wide" id="types" data-part aria-labelledby="types-title">
    <div class="wide-text">
      <h2 id="types-title" tabindex="-1">What comes back</h2>
      <p>
        A date is a date, a map is a map, and money is a bigint. JSON would have made a string of
        the first, <code>{}</code> of the second, and refused the third.
      </p>
    </div>
    ${
      rows.length === 0
        ? html`<p class="small">Nothing is stored.</p>`
        : html`<table class="types">
            <thead>
              <tr>
                <th scope="col">In session.data</th>
                <th scope="col">Type</th>
                <th scope="col">Value</th>
              </tr>
            </thead>
            <tbody>
              ${rows.map(
                ({ path, type, value }) =>
                  html`<tr>
                    <th scope="row">${path}</th>
                    <td class="type">${type}</td>
                    <td>${value}</td>
                  </tr>`,
              )}
            </tbody>
          </table>`
    }
  </section>`;
}
