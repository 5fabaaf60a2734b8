export default defineNuxtConfig({
  modules: ["filesession/nuxt"],
  compatibilityDate: "2026-11-01",
  telemetry: false,

  fileSession: {
    // What the browser may see. The session holds more: `visits`, and `secret` for one.
    public: ["user", "since"],
    maxAge: 30 * 86_400,
  },

  nitro: { experimental: { tasks: true } },
  routeRules: {
    "/about": { prerender: true },
    "/news": { swr: 60 },
    "/client": { ssr: false },
  },

  css: ["~/assets/page.css"],
  app: {
    head: {
      htmlAttrs: { lang: "en" },
      title: "filesession in Nuxt",
      link: [{ rel: "icon", type: "image/svg+xml", href: "/icon.svg" }],
      meta: [{ name: "color-scheme", content: "light dark" }],
    },
  },
});
