import type { SessionData } from "filesession";

/** The page for somebody with this session. */
export function page({ user, visits = 0 }: Partial<SessionData>): string {
  return `<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <title>filesession on srvx</title>
  <h1>Hello, <span id="user">${escaped(user ?? "stranger")}</span></h1>
  <p>Visits: <span id="visits">${visits}</span></p>
  <form id="login" method="post" action="/login">
    <input name="user" placeholder="Your name" required>
    <button>Log in</button>
  </form>
  <form method="post" action="/logout"><button id="logout">Log out</button></form>
</html>`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
