// One record, two doors: what the session holds is an item of the storage, which is mounted by itself.
export default defineEventHandler(async (event) => {
  const session = await requireFileSession(event);
  return { has: await useStorage("sessions").hasItem(String(session.id)) };
});
