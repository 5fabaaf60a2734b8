import type { Attempt } from "../retired.ts";
import { graceSeconds, rememberDays, type User } from "../session.ts";
import { moment, shortId } from "./format.ts";
import { html, type Html } from "./html.ts";
import type { View } from "./view.ts";
import { words } from "./words.ts";

export function personPart({ session, retired }: View): Html {
  const { user } = session.data;
  return html`<section id="person" data-part aria-labelledby="person-title">
    <h2 id="person-title" tabindex="-1">${user ? user.name : "Not logged in"}</h2>
    <p class="small">
      ${session.id === undefined ? `No session: no cookie, ${words.nothing}.` : sessionOf(session.id, user)}
    </p>
    ${session.expires !== undefined && lifetime(session, session.expires)}
    ${user ? logOut() : logIn()} ${retired.held && oldCookie(user, retired.attempt)}
  </section>`;
}

function sessionOf(id: string, user: User | undefined): Html {
  return html`Session <code id="session-id" title="${id}">${shortId(id)}</code>${
      user && html`, logged in ${moment(user.since)}`
    }`;
}

function lifetime(session: View["session"], expires: number): Html {
  const { isRemembered, data } = session;
  return html`<p class="small" id="lifetime">
    ${
      isRemembered
        ? html`<strong>Remembered</strong>: it lives until ${moment(expires)}, used or not.`
        : html`${data.user ? "Not remembered: it" : "It"} ends ${moment(expires)} unless it is used
          before.`
    }
  </p>`;
}

function logIn(): Html {
  return html`<form class="log-in" method="post" action="/login" data-live>
    <div class="row">
      <label class="field" for="name">
        <span>Name</span>
        <input
          id="name"
          name="name"
          value="Ada"
          required
          maxlength="40"
          autocomplete="given-name"
        />
      </label>
      <button class="button strong" id="login">Log in</button>
    </div>
    <label class="check" for="remember">
      <input type="checkbox" id="remember" name="remember" value="yes" />
      Remember me for ${rememberDays} days
    </label>
  </form>`;
}

function logOut(): Html {
  return html`<form method="post" action="/logout" data-live>
    <button class="button" id="logout">Log out</button>
  </form>`;
}

function oldCookie(user: User | undefined, attempt: Attempt | undefined): Html {
  const dead = "The cookie from before is dead.";
  const dying = `The cookie from before changes nothing any more. For ${graceSeconds} seconds after the log-in it still reads, then it is dead.`;
  return html`<div class="old">
    <form action="/" data-live>
      <p class="small">${user ? dying : dead} See for yourself:</p>
      <button class="button" id="try-retired" name="after" value="retired">
        Try the old cookie
      </button>
    </form>
    ${
      attempt &&
      html`<figure id="retired-answer">
        <pre>${attempt.answer}</pre>
        <figcaption class="small">
          GET /api/session says so to the old cookie.
          <strong>${attempt.opens ? "It still reads the session." : "It opens nothing."}</strong>
        </figcaption>
      </figure>`
    }
  </div>`;
}
