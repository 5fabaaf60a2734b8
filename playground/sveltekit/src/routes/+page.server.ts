import { fail, redirect } from "@sveltejs/kit";
import { useFileSession } from "filesession";
import { logIn } from "#lib/server/session.ts";
import type { Actions, PageServerLoad } from "./$types";

export const load: PageServerLoad = async (event) => {
  const { user = "stranger", visits = 0 } = (await useFileSession(event)).data;
  return { user, visits };
};

export const actions: Actions = {
  async login(event) {
    const user = (await event.request.formData()).get("user");
    if (typeof user !== "string" || user === "") return fail(400, { error: "Who is it?" });
    await logIn(event, user);
    redirect(303, "/");
  },

  async logout(event) {
    await (await useFileSession(event)).clear();
    redirect(303, "/");
  },

  /** Without a redirect: the page is made in the same request, and knows what was changed. */
  async visit(event) {
    const session = await useFileSession(event);
    await session.update(({ visits = 0 }) => ({ visits: visits + 1 }));
  },
};
