// Visitors of two instances of an app, and what each of them knows of their own session: who they are,
// how often they were counted, which cookie is theirs. What an answer says otherwise is a violation.

import type { Answer } from "./_fleet.ts";
import { idOf, secretOf } from "./_house.mjs";
import type { Instance } from "./_instance.ts";

/** What must not be. All of them are to stay 0. */
export interface Violations extends Record<string, number> {
  /** Answers to somebody who is logged in that show no session, or that of somebody else. */
  loggedOut: number;
  /** Answers with less than what was acknowledged before. */
  stale: number;
  /** Cookies that open a session which has ended, or moved on. */
  opened: number;
  /** Log-ins that gave two cookies, or none. */
  forked: number;
  /** Answers that are none of those expected, and connections to an instance that lives. */
  failed: number;
}

export interface Visitor {
  user: string;
  cookie: string;
  sent: number;
  acknowledged: number;
  /**
   * `in`, or `out` once that is acknowledged. Otherwise the instance died over it: `adrift` is who has a
   * session whose cookie is perhaps not known, `unsure` who may have none.
   */
  is: "in" | "out" | "adrift" | "unsure";
  isBusy: boolean;
  /** Whether a request has had a session brought over, perhaps. */
  isMoved: boolean;
}

/** The first of them have several requests under way all the time, and never leave. */
const hot = 10;

const any = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)]!;

export class Visitors {
  readonly all: Visitor[];
  readonly violations: Violations = { loggedOut: 0, stale: 0, opened: 0, forked: 0, failed: 0 };
  /** The first answers that were violations. */
  readonly complaints: string[] = [];
  requests = 0;
  /** Requests whose instance died over them. */
  cutOff = 0;
  readonly #instances: readonly Instance[];
  /** The order in which a copier takes them, and how many of those it has passed. */
  readonly #row: readonly Visitor[];
  #passed = 0;
  #counted = 0;

  /** `ids` says in which order the old place lists the sessions of that many visitors. */
  constructor(instances: readonly Instance[], ids: readonly string[]) {
    this.#instances = instances;
    this.all = ids.map((_, user) => visitor(String(user), `session=${secretOf(user)}`));
    const byId = new Map(this.all.map((one) => [idOfCookie(one.cookie), one]));
    this.#row = ids.map((id) => byId.get(id)!);
  }

  /** How much of the old place a copier has gone through, from 0 to 1. */
  get share(): number {
    return this.#passed / this.#row.length;
  }

  /** A copier has said how many it has dealt with, in this run and those before. */
  copied(count: number): void {
    for (; this.#counted < count && this.#passed < this.#row.length; this.#passed++)
      if (!this.#row[this.#passed]!.isMoved) this.#counted++;
  }

  /** One thing after the other, by anybody, until it is over. */
  async actWhile(goesOn: () => boolean): Promise<void> {
    while (goesOn()) await this.#act();
  }

  async #act(): Promise<void> {
    const chance = Math.random();
    if (chance < 0.2) return this.#count(this.all[Math.floor(Math.random() * hot)]!, this.#any());
    if (chance < 0.25) return this.#begin();
    const one = this.#pick();
    one.isBusy = true;
    try {
      if (chance < 0.35) return await this.#look(one, this.#any());
      one.isMoved = true;
      if (chance < 0.45) return await this.#logIn(one, Math.random() < 0.5 ? 60 : 0);
      if (chance < 0.5) return await this.#logOut(one);
      await Promise.all([0, 1, 2, 3].map((turn) => this.#count(one, this.#any(turn))));
    } finally {
      one.isBusy = false;
    }
  }

  /** Somebody who is in: every other time one whose session is about to be copied. */
  #pick(): Visitor {
    for (;;) {
      const near = this.#row[this.#passed + Math.floor(Math.random() * 50)];
      const one = (Math.random() < 0.5 && near) || any(this.all);
      const isHot = Number(one.user) < hot;
      if (one.is === "in" && !one.isBusy && !isHot) return one;
    }
  }

  /** One of those that run; of two that do, each in its turn. */
  #any(turn: number = Math.floor(Math.random() * 2)): Instance {
    const running = this.#instances.filter(({ isUp }) => isUp);
    return running[turn % running.length]!;
  }

  /** The answer; `undefined` when the instance died over it. */
  async #ask(instance: Instance, path: string, cookie?: string): Promise<Answer | undefined> {
    const { kills } = instance;
    this.requests++;
    try {
      return await instance.server(path, cookie);
    } catch (error) {
      if (instance.kills > kills) this.cutOff++;
      else this.#complain("failed", `${path}: ${String(error)}`);
      return undefined;
    }
  }

  #complain(what: keyof Violations, text: string): void {
    this.violations[what]!++;
    if (this.complaints.length < 5) this.complaints.push(`${what} ${text}`);
  }

  /** Adds one. `mayEnd` says that somebody is ending the session, or giving it another cookie. */
  async #count(one: Visitor, instance: Instance, mayEnd = false): Promise<void> {
    const { acknowledged, cookie } = one;
    one.sent++;
    const path = Math.random() < 0.2 ? "/count?late" : "/count";
    const answer = await this.#ask(instance, path, cookie);
    if (answer === undefined) return;
    const { status, text } = answer;
    const said = `${path} of ${one.user}: ${status} ${text}`;
    if (status === 200) {
      one.acknowledged++;
      const { user, n } = JSON.parse(text) as { user?: string; n: number };
      if (user !== one.user) this.#complain("loggedOut", said);
      else if (n <= acknowledged) this.#complain("stale", `${said}, not above ${acknowledged}`);
    } else if (status !== 401 && status !== 409) this.#complain("failed", said);
    else if (!mayEnd) this.#complain("loggedOut", said);
  }

  /** Looks whether the cookie shows the session. */
  async #look(one: Visitor, instance: Instance, cookie: string = one.cookie): Promise<void> {
    const { acknowledged } = one;
    const shown = await this.#shown(instance, cookie);
    if (shown === undefined) return;
    const { user, n = 0 } = shown;
    const said = `/ of ${one.user}: ${JSON.stringify(shown)}`;
    if (user !== one.user) this.#complain("loggedOut", said);
    else if (n < acknowledged) this.#complain("stale", `${said}, below ${acknowledged}`);
  }

  /** Looks whether the cookie shows nothing. */
  async #lookForNothing(one: Visitor, cookie: string): Promise<void> {
    const shown = await this.#shown(this.#any(), cookie);
    if (shown?.user !== undefined) this.#complain("opened", `${one.user} ${JSON.stringify(shown)}`);
  }

  async #shown(
    instance: Instance,
    cookie: string,
  ): Promise<{ user?: string; n?: number } | undefined> {
    const answer = await this.#ask(instance, "/", cookie);
    if (answer?.status === 200) return JSON.parse(answer.text) as { user?: string; n?: number };
    if (answer !== undefined) this.#complain("failed", `/: ${answer.status} ${answer.text}`);
    return undefined;
  }

  /** Both instances give the session a new cookie at once: one of them does. */
  async #logIn(one: Visitor, grace: number): Promise<void> {
    const { cookie } = one;
    const path = `/regenerate?grace=${grace}`;
    const [answers] = await Promise.all([
      Promise.all([0, 1].map((turn) => this.#ask(this.#any(turn), path, cookie))),
      grace > 0 && this.#look(one, this.#any()),
    ]);
    for (const answer of answers)
      if (answer && answer.status !== 200 && answer.status !== 409)
        this.#complain("failed", `${path}: ${answer.status} ${answer.text}`);
    const given = answers.flatMap((answer) => newCookies(answer));
    one.cookie = given[0] ?? cookie;
    if (given.length === 0 && answers.includes(undefined)) {
      one.is = "adrift";
      return;
    }
    if (given.length !== 1) this.#complain("forked", `${one.user}: ${given.length} cookies`);
    await this.#count(one, this.#any());
    if (grace > 0) await this.#look(one, this.#any(), cookie);
    else await this.#lookForNothing(one, cookie);
  }

  /** Ends the session while others count in it. */
  async #logOut(one: Visitor): Promise<void> {
    const [answer] = await Promise.all([
      this.#ask(this.#any(0), "/logout", one.cookie),
      this.#count(one, this.#any(1), true),
      this.#count(one, this.#any(), true),
    ]);
    one.is = answer === undefined ? "unsure" : "out";
    if (answer === undefined) return;
    if (answer.status !== 200) this.#complain("failed", `/logout: ${answer.status} ${answer.text}`);
    await this.#lookForNothing(one, one.cookie);
  }

  async #begin(): Promise<void> {
    const user = `new-${this.all.length}`;
    const one = visitor(user, "");
    one.isBusy = true;
    this.all.push(one);
    const answer = await this.#ask(this.#any(), `/begin?user=${user}`);
    [one.cookie = ""] = newCookies(answer);
    if (answer === undefined) one.is = "unsure";
    else if (one.cookie === "") this.#complain("failed", `/begin: ${answer.status} ${answer.text}`);
    one.isBusy = false;
  }
}

function visitor(user: string, cookie: string): Visitor {
  return { user, cookie, sent: 0, acknowledged: 0, is: "in", isBusy: false, isMoved: false };
}

/** The id of the session that this cookie opens. */
export function idOfCookie(cookie: string): string {
  return idOf(cookie.slice("session=".length));
}

function newCookies(answer: Answer | undefined): string[] {
  const cookie = answer?.cookie;
  return cookie === undefined || cookie.endsWith("=") ? [] : [cookie];
}
