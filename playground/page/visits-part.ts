import { moment } from "./format.ts";
import { html, type Html } from "./html.ts";
import type { View } from "./view.ts";
import { words } from "./words.ts";

export function visitsPart({ session, process }: View): Html {
  const { visits = 0, servedBy } = session.data;
  return html`<section id="visits" data-part aria-labelledby="visits-title">
    <h2 id="visits-title" tabindex="-1">Visits</h2>
    <div class="row">
      <p class="figure" id="visit-count">${visits}</p>
      <a class="button" id="visit" href="/" data-live>Visit again</a>
    </div>
    ${session.time !== undefined && html`<p class="small">${age(session.time, process.started)}</p>`}
    ${
      servedBy &&
      html`<ul class="tally small" aria-label="Visits by process">
        ${[...servedBy].map(
          ([pid, count]) => html`<li><strong>${count}</strong> by process ${pid}</li>`,
        )}
      </ul>`
    }
  </section>`;
}

function age(created: number, started: number): Html {
  if (created >= started) return html`Session created ${moment(created)}.`;
  return html`Session created ${moment(created)}, before this process started ${moment(started)}:
  ${words.found}.`;
}
