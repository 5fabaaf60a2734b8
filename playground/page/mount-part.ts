import type { MountedItem } from "../mount.ts";
import { grouped, moment, shortId } from "./format.ts";
import { html, type Html } from "./html.ts";
import type { View } from "./view.ts";
import { words } from "./words.ts";

export function mountPart({ session, mount }: View): Html {
  const more = mount.keys.length - mount.items.length;
  return html`<section class="wide" id="mount" data-part aria-labelledby="mount-title">
    <div class="wide-text">
      <h2 id="mount-title" tabindex="-1">${words.mount}</h2>
      <p>
        ${words.mounts}, so
        <code>useStorage("sessions")</code> sees every session there is.
      </p>
      ${
        session.id !== undefined &&
        html`<p class="small" id="mount-same">
          <code>getItem(id)</code>
          ${mount.same ? "gives exactly what the session holds." : "differs from the session."}
        </p>`
      }
    </div>
    <div>
      <table>
        <thead>
          <tr>
            <th scope="col">Key</th>
            <th scope="col">What</th>
            <th scope="col" class="number">Size</th>
            <th scope="col">Changed</th>
          </tr>
        </thead>
        <tbody>
          ${mount.items.map((item) => itemRow(item, session.id))}
        </tbody>
      </table>
      ${more > 0 && html`<p class="small">and ${more} more</p>`}
      ${mount.keys.length === 0 && html`<p class="small">No keys: ${words.empty}.</p>`}
    </div>
  </section>`;
}

function itemRow({ key, size, mtime }: MountedItem, id: string | undefined): Html {
  return html`<tr>
    <th scope="row"><code title="${key}">${shortKey(key)}</code></th>
    <td>${what(key, id)}</td>
    <td class="number">${size !== undefined && `${grouped(size)} bytes`}</td>
    <td>${mtime && moment(mtime)}</td>
  </tr>`;
}

function shortKey(key: string): string {
  return key.split(":").map(shortId).join(":");
}

function what(key: string, id: string | undefined): string {
  if (key === id) return "this session";
  return key.startsWith("naive:") ? "a naive counter" : "another session";
}
