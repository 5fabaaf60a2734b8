// Astro's own session, which filesession only keeps. Here it is to be compared.

import type { APIRoute } from "astro";

export const GET: APIRoute = async ({ session }) =>
  Response.json(Object.fromEntries((await session?.entries()) ?? []));
