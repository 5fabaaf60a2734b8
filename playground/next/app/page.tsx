import { fileSession } from "../lib/session";
import { logIn, logOut, visit } from "./actions";

export default async function Page() {
  const { user = "stranger", visits = 0 } = (await fileSession()).data;
  return (
    <>
      <h1>
        Hello, <span id="user">{user}</span>
      </h1>
      <form action={visit}>
        Visits: <span id="visits">{visits}</span> <button id="visit">Visit</button>
      </form>
      <form id="login" action={logIn}>
        <input name="user" placeholder="Your name" required />
        <button>Log in</button>
      </form>
      <form action={logOut}>
        <button id="logout">Log out</button>
      </form>
    </>
  );
}
