import type { Device } from "../devices.ts";
import { moment, shortId } from "./format.ts";
import { html, type Html } from "./html.ts";
import type { View } from "./view.ts";

export function devicesPart({ devices }: View): Html {
  return html`<section class="wide" id="devices" data-part aria-labelledby="devices-title">
    <div class="wide-text">
      <h2 id="devices-title" tabindex="-1">Your devices</h2>
      <p>
        Log in with the same name from a second browser, or a private window, and both are here: a
        session has its user's name as its <code>tag</code>.
      </p>
      ${
        devices.length > 1 &&
        html`<form method="post" action="/devices/destroy-others" data-live>
          <button class="button" id="destroy-others">Log out everywhere else</button>
        </form>`
      }
    </div>
    ${
      devices.length === 0
        ? html`<p class="small">Log in to see them.</p>`
        : html`<form method="post" action="/devices/destroy" data-live>
            <ul class="devices">
              ${devices.map(deviceRow)}
            </ul>
          </form>`
    }
  </section>`;
}

function deviceRow({ id, name, time, touched, isThis }: Device): Html {
  return html`<li>
    <div>
      <strong>${name}</strong> <code title="${id}">${shortId(id)}</code>
      <p class="small">
        <span>Begun ${moment(time)},</span> <span>last used ${moment(touched)}</span>
      </p>
    </div>
    ${
      isThis
        ? html`<span class="this">this one</span>`
        : html`<button
            class="button"
            id="destroy-${id}"
            name="id"
            value="${id}"
            aria-label="Log out ${name}, ${shortId(id)}"
          >
            Log out
          </button>`
    }
  </li>`;
}
