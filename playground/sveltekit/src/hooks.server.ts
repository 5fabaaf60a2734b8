import type { Handle, ServerInit } from "@sveltejs/kit/hooks";
import { configureFileSession } from "filesession";

export const init: ServerInit = () => {
  configureFileSession({ fileDir: ".data/sessions", maxAge: 30 * 24 * 60 * 60 });
};

/** What sets a cookie, or is made for one visitor, is in no cache. */
export const handle: Handle = async ({ event, resolve }) => {
  const response = await resolve(event);
  response.headers.append("vary", "Cookie");
  response.headers.append("cache-control", "no-cache");
  return response;
};
