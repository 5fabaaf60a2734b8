import type { SessionData } from "filesession";
import { html } from "hono/html";

/** The page for somebody with this session. */
export function page({ user, visits = 0 }: Partial<SessionData>) {
  return html`<!doctype html>
    <html lang="en">
      <meta charset="utf-8" />
      <title>filesession with Hono</title>
      <h1>Hello, <span id="user">${user ?? "stranger"}</span></h1>
      <p>Visits: <span id="visits">${visits}</span></p>
      <form id="login" method="post" action="/login">
        <input name="user" placeholder="Your name" required />
        <button>Log in</button>
      </form>
      <form method="post" action="/logout"><button id="logout">Log out</button></form>
    </html>`;
}
