import { type ChannelListener, subscribe, unsubscribe } from "node:diagnostics_channel";
import { onTestFinished } from "vitest";
import type { SessionEvents, SessionTraces } from "../src/index.ts";

export const parts = ["start", "end", "asyncStart", "asyncEnd", "error"] as const;

/** One message of a tracing channel, and the channels it has been on. */
export interface Heard<Name extends keyof SessionTraces> {
  message: SessionTraces[Name];
  on: (typeof parts)[number][];
}

/** What is told on this tracing channel, from now on until the test is over. */
export function heard<Name extends keyof SessionTraces>(name: Name): Heard<Name>[] {
  const all: Heard<Name>[] = [];
  for (const part of parts)
    listen(`tracing:filesession:${name}:${part}`, (message) => {
      const known = all.find((one) => one.message === message);
      if (known) known.on.push(part);
      else all.push({ message: message as SessionTraces[Name], on: [part] });
    });
  return all;
}

/** What happens, from now on until the test is over. */
export function events<Name extends keyof SessionEvents>(name: Name): SessionEvents[Name][] {
  const all: SessionEvents[Name][] = [];
  listen(`filesession:${name}`, (message) => all.push(message as SessionEvents[Name]));
  return all;
}

/** Calls back with every message, until the test is over. */
export function listen(channel: string, listener: ChannelListener): void {
  subscribe(channel, listener);
  onTestFinished(() => void unsubscribe(channel, listener));
}
