export default defineEventHandler(async (event) => {
  const { key } = getQuery(event);
  const session = await useFileSession<Record<string, unknown>>(event);
  await session.update({ [String(key)]: true });
  return { ok: true };
});
