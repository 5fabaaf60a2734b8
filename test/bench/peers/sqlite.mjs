// better-sqlite3 as sessions are kept in it: one table, write-ahead log, no fsync for each commit.

import { join } from "node:path";

export async function openSqlite(dir) {
  const { default: Database } = await import("better-sqlite3");
  const database = new Database(join(dir, "sessions.db"));
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = NORMAL");
  database.exec("create table sessions (id text primary key, data text, expires integer)");
  const select = database.prepare("select data, expires from sessions where id = ?");
  const upsert = database.prepare(
    "insert into sessions values (?, ?, ?) on conflict do update set data = excluded.data, expires = excluded.expires",
  );
  return [
    {
      name: "better-sqlite3",
      read: (id) => JSON.parse(select.get(id).data),
      dataOf: (data) => data,
      write: (id, data) => upsert.run(id, JSON.stringify(data), Date.now() + 86_400_000),
      close: () => database.close(),
    },
  ];
}
