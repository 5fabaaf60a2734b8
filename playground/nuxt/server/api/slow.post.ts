export default defineEventHandler(async (event) => {
  const session = await useFileSession(event);
  await new Promise((resolve) => setTimeout(resolve, Number(getQuery(event).ms ?? 300)));
  await session.update({ late: true }); // a 409 when the visitor has logged out meanwhile
  return { ok: true };
});
