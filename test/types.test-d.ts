// Facts about types. The compiler checks them (`npm run types`); nothing here runs.

import type * as crosswsOne from "crossws-v03";
import type * as crosswsTwo from "crossws";
import type * as h3v1 from "h3-v1";
import type * as h3v2 from "h3-v2";
import { type } from "arktype";
import * as v from "valibot";
import { z } from "zod";
import type { FileSessionConfig } from "../src/session/config.ts";
import type { H3EventLike } from "../src/session/event.ts";
import type { FileSession } from "../src/session/file-session.ts";
import { getFileSession } from "../src/session/get.ts";
import { requireFileSession } from "../src/session/require.ts";
import { fileSessions } from "../src/session/sessions.ts";
import type { SessionEvent } from "../src/session/session-event.ts";
import { useFileSession } from "../src/session/use.ts";

interface Data {
  userId: number;
  cart?: string[];
}

declare const one: h3v1.H3Event;
declare const two: h3v2.H3Event;
declare function is<T>(value: T): void;

// The events of both majors are taken, from a handler too.
is<H3EventLike>(one);
is<H3EventLike>(two);
const handlerOne: h3v1.EventHandler = async (event) => (await useFileSession(event)).id;
const handlerTwo: h3v2.EventHandler = async (event) => (await useFileSession(event)).id;
is<unknown>([handlerOne, handlerTwo]);

// So are the peers of both, what their `upgrade` hooks are given, and a plain request.
declare const peerOne: crosswsOne.Peer;
declare const peerTwo: crosswsTwo.Peer;
declare const upgradeOne: Parameters<crosswsOne.Hooks["upgrade"]>[0];
declare const upgradeTwo: Parameters<crosswsTwo.Hooks["upgrade"]>[0];
declare const httpEvent: h3v2.HTTPEvent;
declare const request: Request;
is<SessionEvent[]>([one, two, peerOne, peerTwo, upgradeOne, upgradeTwo, httpEvent, request]);
is<SessionEvent>({ request, responseHeaders: new Headers() });
is<SessionEvent>({ request, responseHeaders: new Headers(), ip: "192.0.2.1" });
is<SessionEvent>({ request: upgradeOne, responseHeaders: two.res.headers });
is<unknown>([useFileSession(peerOne), getFileSession(peerTwo), requireFileSession(request)]);
const hooksOne: Partial<crosswsOne.Hooks> = {
  message: async (peer) => void (await useFileSession(peer)),
};
const hooksTwo: Partial<crosswsTwo.Hooks> = {
  message: async (peer) => void (await useFileSession(peer)),
};
is<unknown>([hooksOne, hooksTwo]);
// @ts-expect-error a cookie is read from headers
is<SessionEvent>({ context: {} });
// @ts-expect-error and they have `get`
is<SessionEvent>({ headers: { cookie: "" } });

// `data` is what the type argument says, and nothing of it is sure to be there.
const session = await useFileSession<Data>(two);
is<number | undefined>(session.data.userId);
is<string | undefined>(session.id);
// @ts-expect-error it may be undefined
is<number>(session.data.userId);
// @ts-expect-error there is no such key
is<unknown>(session.data.usrId);

// An update is part of the data, or a function that gives it, now or later, or nothing.
is<FileSession<Data>>(await session.update({ userId: 1 }));
await session.update((data) => ({ userId: (data.userId ?? 0) + 1 }));
await session.update(async ({ cart = [] }) => (cart.length > 9 ? undefined : { cart }));
await session.replace({ userId: 1 });
// @ts-expect-error a number is wanted
await session.update({ userId: "1" });
// @ts-expect-error `replace` wants all of it
await session.replace({ cart: [] });

// A call of h3's `useSession` type-checks when only its import changes, in both majors.
declare const configOne: h3v1.SessionConfig;
declare const configTwo: h3v2.SessionConfig;
is<FileSessionConfig>(configOne);
is<FileSessionConfig>(configTwo);
const password = "at least thirty-two characters long";
const untyped = await useFileSession(one, { password, name: "app", cookie: { sameSite: "lax" } });
is<string>(untyped.data.user.name);
await untyped.update((data) => ({ visits: data.visits + 1 }));
await untyped.clear();
await useFileSession(two, { password, sessionHeader: false, cookie: { chunkMaxLength: 3000 } });

// And what comes back can be handed on as h3's.
is<h3v1.SessionManager<Partial<Data>>>(session);
is<h3v2.SessionManager<Data>>(session);

// A schema types the data, of whichever library, in place of a type argument or beside it.
const bySchema = { schema: v.object({ user: v.string() }) };
is<string | undefined>((await useFileSession(two, bySchema)).data.user);
is<string | undefined>((await getFileSession(two, bySchema))?.data.user);
is<string | undefined>((await requireFileSession(two, bySchema)).data.user);
is<string | undefined>((await fileSessions(bySchema).list("Ada"))[0]?.data.user);
is<number | undefined>((await useFileSession(one, { schema: z.object({ n: z.number() }) })).data.n);
is<number | undefined>((await useFileSession(one, { schema: type({ n: "number" }) })).data.n);
await useFileSession<Data>(one, { schema: z.object({ userId: z.number() }) });
// @ts-expect-error the schema says something else
await useFileSession<Data>(one, { schema: z.object({ userId: z.string() }) });
await useFileSession(one, { ...bySchema, version: 2, migrate: () => ({ user: "Ada" }) });
// @ts-expect-error it must give what the schema says
await useFileSession(one, { ...bySchema, version: 2, migrate: () => ({ user: 7 }) });
// @ts-expect-error there is no such key
is<unknown>((await useFileSession(two, bySchema)).data.usr);

// What one request says to the next is typed where it is heard.
is<string | undefined>((await session.flashed<{ notice: string }>()).notice);
is<unknown>((await session.flashed()).notice);
