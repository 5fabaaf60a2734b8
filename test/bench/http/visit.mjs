// What all servers of the HTTP level have in common: the data of a session, 300 bytes as JSON, and
// what they answer.

/** What a session holds when it begins. */
export function newData() {
  const data = { n: 0, user: "Ada Lovelace", roles: ["editor", "reader"], seen: 1763942400000 };
  data.cart = Array.from({ length: 5 }, (_, i) => ({ id: 1000 + i, name: "tea", count: i }));
  data.note = "";
  data.note = "x".repeat(300 - JSON.stringify(data).length);
  return data;
}

/** The answer to a visit. Throws when the session is not there: a failed request. */
export function counted(data) {
  if (!Number.isInteger(data?.n)) throw new Error("there is no such session");
  return { n: data.n };
}
