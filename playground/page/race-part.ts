import { raceSize } from "../race.ts";
import { html, type Html } from "./html.ts";
import type { View } from "./view.ts";
import { words } from "./words.ts";

export function racePart({ race }: View): Html {
  return html`<section class="wide" id="race" data-part aria-labelledby="race-title">
    <div class="wide-text">
      <h2 id="race-title" tabindex="-1">Fifty requests at once</h2>
      <p>
        Each adds one to a counter, with 5 ms of work in between. ${words.raceIn}, same driver. The
        only difference is what happens when two of them meet.
      </p>
      <button class="button strong" id="start-race" type="button" data-race="${raceSize}">
        Send fifty to each
      </button>
      <noscript
        ><p class="small">
          It is your browser that sends them, so this needs JavaScript.
        </p></noscript
      >
    </div>
    <div class="lanes">
      ${lane("ours", "session.update(d => ({ n: d.n + 1 }))", race?.ours)}
      ${lane("naive", "getItem(), add one, setItem()", race?.naive)}
    </div>
  </section>`;
}

/** One bar for each request: tall when it was counted, a stub when it was lost. */
function lane(name: "ours" | "naive", code: string, count: number | undefined): Html {
  const state = (i: number) => (count === undefined ? "idle" : i < count ? "kept" : "lost");
  const bars = Array.from({ length: raceSize }, (_, i) => html`<i class="${state(i)}"></i>`);
  return html`<figure class="lane" id="lane-${name}">
    <figcaption><code>${code}</code> <strong>${laneResult(count)}</strong></figcaption>
    <div class="bars" role="img" aria-label="${laneResult(count)}">${bars}</div>
  </figure>`;
}

function laneResult(count: number | undefined): string {
  if (count === undefined) return "not run yet";
  const lost = raceSize - count;
  return lost === 0 ? `${count} of ${raceSize}` : `${count} of ${raceSize}, ${lost} lost`;
}
