import type { FileSession } from "../../index.ts";
import { recentChanges } from "./changes.ts";
import { html, type Html } from "./html.ts";
import { typedRows } from "./typed-rows.ts";

/** What is on the page, beside the changes. */
export interface View {
  session: FileSession;
  tag: string | undefined;
  file: { path: string; text: string } | undefined;
  /** What the page's own style and script are known by. */
  nonce: string;
}

export function devtoolsPage(view: View): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Session</title>
        <style nonce="${view.nonce}">
          ${{ markup: css }}
        </style>
      </head>
      <body>
        <main>${sessionPart(view)}${changesPart()}</main>
        ${scriptTag(view.nonce)}
      </body>
    </html>`.markup;
}

// Not in the template above: the end tag there costs a helper, which is a file of its own.
function scriptTag(nonce: string): Html {
  return { markup: `<script nonce="${nonce}">${script}</script>` };
}

function sessionPart({ session, tag, file }: View): Html {
  const { id, time, touched, expires, ip, isRemembered } = session;
  if (id === undefined)
    return html`<section>
      <h1>Session</h1>
      <p class="soft">You have none: nothing is stored, so there is no file and no cookie.</p>
    </section>`;
  return html`<section>
      <div class="row">
        <h1>Session</h1>
        <form method="post"><button>Destroy it</button></form>
      </div>
      <dl>
        <dt>id</dt>
        <dd><code>${id}</code></dd>
        <dt>age</dt>
        <dd>${ago(time)}</dd>
        <dt>last used</dt>
        <dd>${ago(touched)} ago</dd>
        <dt>expires</dt>
        <dd>in ${until(expires)}${isRemembered && ", used or not"}</dd>
        <dt>tag</dt>
        <dd>${tag === undefined ? html`<span class="soft">none</span>` : tag}</dd>
        <dt>address</dt>
        <dd>${ip || html`<span class="soft">unknown</span>`}</dd>
      </dl>
    </section>
    <section>
      <h2>Data</h2>
      ${dataPart(session.data)}
    </section>
    ${
      file &&
      html`<section>
        <h2>File</h2>
        <p><code>${file.path}</code></p>
        <pre tabindex="0">
${file.text.replace(/ {8,}/g, (room) => ` ⟨${room.length} spaces⟩ `)}</pre>
      </section>`
    }`;
}

function dataPart(data: object): Html {
  const rows = typedRows(data);
  if (rows.length === 0) return html`<p class="soft">Nothing is stored.</p>`;
  return html`<table>
    <thead>
      <tr>
        <th>session.data</th>
        <th>type</th>
        <th>value</th>
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        ({ path, type, value }) =>
          html`<tr>
            <td>${path}</td>
            <td class="type">${type}</td>
            <td>${value}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function changesPart(): Html {
  const changes = recentChanges();
  return html`<section>
    <h2>Recent changes</h2>
    ${
      changes.length === 0
        ? html`<p class="soft">None since the server has started.</p>`
        : html`<table>
            <thead>
              <tr>
                <th>at</th>
                <th>session</th>
                <th>what</th>
                <th>took</th>
              </tr>
            </thead>
            <tbody>
              ${changes.map(
                ({ at, id, what, duration, error }) =>
                  html`<tr>
                    <td>${at.toTimeString().slice(0, 8)}</td>
                    <td title="${id}">${id.slice(0, 8)}…</td>
                    <td>${what}${error !== undefined && html` <strong>${error}</strong>`}</td>
                    <td>${duration === undefined ? "" : `${duration.toFixed(1)} ms`}</td>
                  </tr>`,
              )}
            </tbody>
          </table>`
    }
  </section>`;
}

function ago(moment: number = Date.now()): string {
  return span(Date.now() - moment);
}

function until(moment: number = Date.now()): string {
  return span(moment - Date.now());
}

function span(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return `${Math.max(0, Math.floor(ms / 1000))} s`;
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

const css = `
:root { color-scheme: light dark; --soft: #6b6b6b; --line: #8884; --accent: #00a35c; }
@media (prefers-color-scheme: dark) { :root { --soft: #a3a3a3; --accent: #00dc82; } }
* { box-sizing: border-box; margin: 0; }
body { padding: 1rem; font: 0.875rem/1.5 ui-sans-serif, system-ui, sans-serif; }
main { display: grid; gap: 1.5rem; max-width: 64rem; }
section { display: grid; gap: 0.5rem; min-width: 0; }
.row { display: flex; justify-content: space-between; align-items: center; gap: 1rem; }
h1 { font-size: 1.125rem; }
h2 { font-size: 1rem; }
code, pre, td { font: 0.8125rem/1.5 ui-monospace, monospace; }
code, td { overflow-wrap: anywhere; }
pre { padding: 0.75rem; border: 1px solid var(--line); border-radius: 4px; white-space: pre-wrap; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: auto 1fr; gap: 0.25rem 1rem; }
dt, th, .soft { color: var(--soft); }
dd { min-width: 0; }
table { width: 100%; border-collapse: collapse; }
th { font-weight: 400; }
th, td { padding: 0.25rem 1rem 0.25rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
.type { color: var(--accent); }
button { min-height: 2.25rem; padding: 0 0.875rem; border: 1px solid currentcolor; border-radius: 4px; background: none; color: inherit; font: inherit; cursor: pointer; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
`;

// Looks for news every two seconds, unless nobody can see them or something is marked or in focus.
const script = `
setInterval(async () => {
  const main = document.querySelector("main");
  if (document.hidden || !getSelection().isCollapsed || main.contains(document.activeElement)) return;
  const response = await fetch(location.href).catch(() => undefined);
  if (!response?.ok) return;
  const news = new DOMParser().parseFromString(await response.text(), "text/html").querySelector("main");
  if (news && news.innerHTML !== main.innerHTML) main.replaceWith(news);
}, 2000);
`;
