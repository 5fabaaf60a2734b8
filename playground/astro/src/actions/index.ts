import { defineAction } from "astro:actions";
import { z } from "astro/zod";
import { logIn } from "../session.ts";

export const server = {
  logIn: defineAction({
    accept: "form",
    input: z.object({ user: z.string().min(1) }),
    handler: ({ user }, { locals }) => logIn(locals.session, user),
  }),

  logOut: defineAction({
    accept: "form",
    handler: async (_, { locals }) => {
      await locals.session.clear();
    },
  }),
};
