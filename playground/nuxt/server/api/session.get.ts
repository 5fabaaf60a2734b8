export default defineEventHandler(async (event) => {
  const { id, isNew, data } = await useFileSession(event);
  return { id: id ?? null, isNew, data };
});
