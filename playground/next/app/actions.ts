"use server";

import { refresh } from "next/cache";
import { redirect } from "next/navigation";
import * as lib from "../lib/session";

export async function logIn(form: FormData): Promise<void> {
  const user = form.get("user");
  if (typeof user === "string" && user !== "") await lib.logIn(user);
  redirect("/");
}

export async function logOut(): Promise<void> {
  const session = await lib.fileSession();
  await session.clear();
  redirect("/");
}

/** Without a redirect: the page is rendered in the same request, and knows what was changed. */
export async function visit(): Promise<void> {
  const session = await lib.fileSession();
  await session.update(({ visits = 0 }) => ({ visits: visits + 1 }));
  refresh();
}
