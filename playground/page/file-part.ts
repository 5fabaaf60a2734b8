import { grouped, moment, shortId } from "./format.ts";
import { html, type Html } from "./html.ts";
import type { View } from "./view.ts";
import { words } from "./words.ts";

export function filePart({ session, kept }: View): Html {
  const tab =
    session.id === undefined
      ? words.nothing
      : (kept?.name.replace(session.id, shortId) ?? words.nothing);
  return html`<section class="folder" id="file" data-part aria-labelledby="file-title">
    <h2 class="tab" id="file-title" tabindex="-1">${tab}</h2>
    <div class="sheet">
      ${
        kept
          ? html`<p class="prompt"><code>${kept.command}</code></p>
              <pre class="raw" id="raw" tabindex="0" role="region" aria-label="${words.asItIs}">
${kept.text.trimEnd().split("\n").map(rawLine)}</pre>
              <p class="small">${words.about}</p>
              <p class="small stat">
                ${kept.mode && html`<span>${kept.mode}</span>`}
                <span>${grouped(kept.bytes)} bytes</span>
                ${kept.changed && html`<span>${moment(kept.changed)}</span>`}
                ${kept.expires && html`<span>until ${moment(kept.expires)}</span>`}
              </p>`
          : html`<p class="blank">${words.notYet} The first thing you store makes both.</p>`
      }
    </div>
  </section>`;
}

// The file keeps room to grow. Spaces by the hundred say nothing on a page: their number does.
const room = /( {8,})/;

function rawLine(line: string): Html {
  const pieces = line.split(room).map((piece) => {
    if (!room.test(piece)) return piece;
    return html`<span class="room"> ${piece.length} spaces </span>`;
  });
  return html`<span class="line">${pieces}</span>`;
}
