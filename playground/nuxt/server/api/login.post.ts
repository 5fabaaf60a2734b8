export default defineEventHandler(async (event) => {
  const { user } = await readBody<{ user?: unknown }>(event);
  if (typeof user !== "string" || user.trim() === "")
    throw createError({ statusCode: 400, message: "Who are you?" });
  const session = await useFileSession(event);
  await session.regenerate(); // a new token: whoever has planted the old one is left with nothing
  await session.update({ user: user.trim(), since: new Date(), secret: "stays on the server" });
  return { id: session.id };
});
