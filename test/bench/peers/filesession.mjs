// Us. The handlers share one directory: they differ in what they are asked for.

import { FileHandler } from "filesession";

export function openFilesession(dir) {
  const handler = new FileHandler({ fileDir: dir });
  const durable = new FileHandler({ fileDir: dir, durability: "file" });
  const dataOf = (record) => record.data;
  return [
    {
      name: "filesession",
      read: (id) => handler.retrieve(id),
      dataOf,
      write: (id, data) => handler.store(id, data),
      close: () => handler.close(),
    },
    {
      name: "filesession, not blocking",
      read: (id) => handler.retrieve(id, { blocking: false }),
      dataOf,
      close: () => {},
    },
    {
      name: "filesession, data untouched",
      read: (id) => handler.retrieve(id, { blocking: false }),
      close: () => {},
    },
    {
      name: "filesession update",
      write: (id, data) => handler.update(id, () => data),
      close: () => {},
    },
    {
      name: "filesession, durability file",
      write: (id, data) => durable.store(id, data),
      close: () => durable.close(),
    },
  ];
}
