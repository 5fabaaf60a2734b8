import { SessionError } from "filesession";
import { fileSession } from "../../lib/session";

/** What a page cannot do: its answer may have begun by now, so Next.js lets it set no cookie. */
export default async function Page() {
  const session = await fileSession();
  try {
    await session.update({ visits: 1 });
    return <p id="answer">Stored</p>;
  } catch (error) {
    if (!(error instanceof SessionError)) throw error;
    return <p id="answer">{error.code}</p>;
  }
}
