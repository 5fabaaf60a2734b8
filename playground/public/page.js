// Every form and link of this page works without this file. With it, an action is sent in the background, and the parts
// of the page that came back different take the place of those that are here.

/** What came back, put in place. Focus stays on the control that had it, or goes to the title of its part. */
async function show(/** @type {Response} */ response) {
  const text = await response.text();
  if (!response.ok) return say(`The server said ${response.status} ${response.statusText}`);

  const page = new DOMParser().parseFromString(text, "text/html");
  for (const fresh of page.querySelectorAll("[data-part]")) {
    const part = document.getElementById(fresh.id);
    if (!part || part.outerHTML === fresh.outerHTML) continue;
    const focused = part.contains(document.activeElement) ? document.activeElement?.id : undefined;
    markChangedLines(part, fresh);
    part.replaceWith(fresh);
    if (focused !== undefined) refocus(fresh, focused);
  }
  say(page.getElementById("notice")?.textContent?.trim() ?? "");
}

function refocus(/** @type {Element} */ part, /** @type {string} */ id) {
  const same = /** @type {HTMLButtonElement | null} */ (
    id ? part.querySelector(`#${CSS.escape(id)}`) : null
  );
  const target = same && !same.disabled ? same : part.querySelector("h2");
  if (target instanceof HTMLElement) target.focus({ preventScroll: true });
}

/** A file is rewritten one slot at a time: the line that is new lights up for a moment. */
function markChangedLines(/** @type {Element} */ part, /** @type {Element} */ fresh) {
  const before = part.querySelectorAll(".line");
  for (const [i, line] of fresh.querySelectorAll(".line").entries()) {
    if (line.textContent !== before[i]?.textContent) line.classList.add("changed");
  }
}

function say(/** @type {string} */ text) {
  const words = document.createElement("span");
  words.textContent = text;
  document.getElementById("notice")?.replaceChildren(...(text ? [words] : []));
}

async function act(/** @type {string | URL} */ url, /** @type {RequestInit} */ options = {}) {
  try {
    await show(await fetch(url, options));
  } catch {
    say("The server did not answer. The session is in its file: start the server again and go on.");
  }
}

document.addEventListener("submit", (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (!form.matches("[data-live]")) return;
  event.preventDefault();
  const fields = new URLSearchParams();
  for (const [name, value] of new FormData(form, event.submitter))
    fields.append(name, String(value));
  if (form.method === "post") return void act(form.action, { method: "POST", body: fields });
  const url = new URL(form.action);
  url.search = fields.toString();
  void act(url);
});

document.addEventListener("click", (event) => {
  const target = /** @type {Element} */ (event.target);
  const link = /** @type {HTMLAnchorElement | null} */ (target.closest("a[data-live]"));
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;
  if (link && plain) {
    event.preventDefault();
    void act(link.href);
  }
  const start = /** @type {HTMLButtonElement | null} */ (target.closest("[data-race]"));
  if (start) void race(start);
});

/** Sends the requests of both lanes, all at once, and raises a bar for each number that comes back. */
async function race(/** @type {HTMLButtonElement} */ button) {
  // Not `disabled`: the button would lose the focus.
  if (button.ariaBusy === "true") return;
  button.ariaBusy = "true";
  const size = Number(button.dataset.race);
  say(`Sending ${size} requests to each counter.`);
  for (const bar of document.querySelectorAll(".bars i")) bar.className = "idle";
  try {
    await fetch("/race/start", { method: "POST" });
    const requests = ["ours", "naive"].flatMap((lane) =>
      Array.from({ length: size }, async () => {
        const response = await fetch(`/race/${lane}`, { method: "POST" });
        const { count } = await response.json();
        document
          .querySelector(`#lane-${lane} i:nth-child(${count})`)
          ?.classList.replace("idle", "kept");
      }),
    );
    await Promise.all(requests);
  } catch {
    return say("The server did not answer.");
  } finally {
    button.ariaBusy = null;
  }
  await act("/?after=race");
}

// A session cookie is Secure, except on localhost: a browser on another machine keeps it only over https.
if (!isSecureContext) say("Over plain http a browser keeps this session only on localhost.");
