// How the app, while it is rendered on the server, comes by the session: the server hangs this on each
// event. The app is another bundle, and a `filesession` of its own would be configured by nobody.

import type { PublicSession } from "./public-session.ts";

/** What the app knows of the session. It is rendered into the page, and found there by the browser. */
export interface Known {
  ready: boolean;
  session: PublicSession | null;
}

export interface ServerSession<Event = object> {
  read(event: Event): Promise<Known>;
  clear(event: Event): Promise<Known>;
}

const slot = Symbol.for("filesession.nuxt");

interface Context<Event> {
  [slot]?: ServerSession<Event>;
}

export function serverSessionOf<Event extends { context: object }>(
  event: Event,
): ServerSession<Event> | undefined {
  return (event.context as Context<Event>)[slot];
}

export function setServerSession<Event extends { context: object }>(
  event: Event,
  session: ServerSession<Event>,
): void {
  (event.context as Context<Event>)[slot] = session;
}
