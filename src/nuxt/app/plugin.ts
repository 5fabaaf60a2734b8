import { defineNuxtPlugin } from "#imports";
import { useUserSession } from "./use-user-session.ts";

/** Sees to it that it is known who is there, on the server before anything is rendered. */
const plugin: (nuxtApp: unknown) => Promise<void> = defineNuxtPlugin({
  name: "filesession",
  async setup({ hooks, payload, ssrContext }) {
    const { ready, refresh } = useUserSession();
    if (import.meta.server) {
      // The page that tells of an error must not fail of the same.
      await refresh().catch((error: unknown) => {
        if (!ssrContext?.error) throw error;
      });
      return;
    }
    if (ready.value) return;
    // Where the server does not answer it stays unknown, and the app works as far as it does without.
    const ask = (): Promise<void> => refresh().catch(() => {});
    // A page that has been rendered for everybody is made alive as it is, and changes afterwards.
    if (payload.serverRendered) return hooks.hookOnce("app:suspense:resolve", ask);
    // No `else await`: Nuxt (4.5) puts a semicolon in between, when it has what follows keep its context.
    await ask();
  },
});

export default plugin;
