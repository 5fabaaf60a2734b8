import { defineMiddleware } from "astro:middleware";
import { SessionError, useFileSession } from "filesession";
import "./session.ts";

export const onRequest = defineMiddleware(async (context, next) => {
  if (context.isPrerendered) return next(); // made at build time: there is no visitor
  try {
    context.locals.session = await useFileSession(context);
    const response = await next();
    // What sets a cookie, or is made for one visitor, is in no cache.
    response.headers.append("vary", "Cookie");
    response.headers.append("cache-control", "no-cache");
    return response;
  } catch (error) {
    if (!(error instanceof SessionError)) throw error;
    // 409 when it was logged out meanwhile, 503 when its disk is full.
    return Response.json({ error: error.code }, { status: error.status });
  }
});
