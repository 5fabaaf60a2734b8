import { join } from "node:path";
import type { NextConfig } from "next";

const config: NextConfig = {
  // Not bundled: then all of the app has one of it, as `instrumentation.ts` has configured it.
  serverExternalPackages: ["filesession"],

  // What sets a cookie, or is made for one visitor, is in no cache. Next.js says so of pages by itself.
  headers: async () => [
    {
      source: "/api/:path*",
      headers: [
        { key: "Cache-Control", value: "no-cache" },
        { key: "Vary", value: "Cookie" },
      ],
    },
  ],

  // Here only: `filesession` is a link to the root of this repository.
  turbopack: { root: join(import.meta.dirname, "../..") },
};

export default config;
