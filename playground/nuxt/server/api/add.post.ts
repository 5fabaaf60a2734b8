export default defineEventHandler(async (event) => {
  const { key, ms = 0 } = getQuery(event);
  const session = await useFileSession<Record<string, unknown>>(event);
  await new Promise((resolve) => setTimeout(resolve, Number(ms)));
  await session.update({ [String(key)]: true });
  return { ok: true };
});
