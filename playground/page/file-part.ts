import { grouped, moment, shortId } from "./format.ts";
import { html, type Html } from "./html.ts";
import type { View } from "./view.ts";

export function filePart({ session, file }: View): Html {
  const tab = session.id === undefined ? "no file" : `sess_${shortId(session.id)}`;
  return html`<section class="folder" id="file" data-part aria-labelledby="file-title">
    <h2 class="tab" id="file-title" tabindex="-1">${tab}</h2>
    <div class="sheet">
      ${
        file
          ? html`<p class="prompt"><code>cat ${file.path}</code></p>
              <pre
                class="raw"
                id="raw"
                tabindex="0"
                role="region"
                aria-label="The file, as it is on disk"
              >
${file.text.trimEnd().split("\n").map(rawLine)}</pre>
              <p class="small">
                Its last two versions, written in turn: one of them is whole at any moment.
              </p>
              <p class="small stat">
                <span>${file.mode}</span> <span>${grouped(file.bytes)} bytes</span>
                <span>${moment(file.changed)}</span>
              </p>`
          : html`<p class="blank">
              Nothing is stored, so there is no file, and your browser has no session cookie. The
              first thing you store makes both.
            </p>`
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
