export default defineEventHandler(async (event) => {
  const session = await useFileSession(event);
  await session.clear();
  return { ok: true };
});
