import type { Attempt } from "../retired.ts";
import type { Visitor } from "../session.ts";
import { moment, shortId } from "./format.ts";
import { html, type Html } from "./html.ts";
import type { View } from "./view.ts";

export function personPart({ session, retired }: View): Html {
  const { user } = session.data;
  return html`<section id="person" data-part aria-labelledby="person-title">
    <h2 id="person-title" tabindex="-1">${user ? user.name : "Not logged in"}</h2>
    <p class="small">
      ${session.id === undefined ? "No session: no cookie, no file." : sessionOf(session.id, user)}
    </p>
    ${user ? logOut() : logIn()} ${retired.held && oldCookie(retired.attempt)}
  </section>`;
}

function sessionOf(id: string, user: Visitor["user"]): Html {
  return html`Session <code id="session-id" title="${id}">${shortId(id)}</code>${
      user && html`, logged in ${moment(user.since)}`
    }`;
}

function logIn(): Html {
  return html`<form class="row" method="post" action="/login" data-live>
    <label class="field" for="name">
      <span>Name</span>
      <input id="name" name="name" value="Ada" required maxlength="40" autocomplete="given-name" />
    </label>
    <button class="button strong" id="login">Log in</button>
  </form>`;
}

function logOut(): Html {
  return html`<form method="post" action="/logout" data-live>
    <button class="button" id="logout">Log out</button>
  </form>`;
}

function oldCookie(attempt: Attempt | undefined): Html {
  return html`<div class="old">
    <form action="/" data-live>
      <p class="small">The cookie from before is dead. See for yourself:</p>
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
          <strong>${attempt.opens ? "It still opens a session." : "It opens nothing."}</strong>
        </figcaption>
      </figure>`
    }
  </div>`;
}
