export default defineEventHandler(async (event) => {
  const session = await useFileSession(event);
  await session.update(({ visits = 0 }) => ({ visits: visits + 1 }));
  return { visits: session.data.visits };
});
