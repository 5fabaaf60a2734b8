// The limits: what the system calls alone cost. No lock, no expiry, nothing is checked.

import { closeSync, fsyncSync, openSync, readSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";

export function openRaw(dir) {
  const buffer = Buffer.allocUnsafe(1 << 20);
  const read = (id) => {
    const fd = openSync(join(dir, id), "r");
    const length = readSync(fd, buffer, 0, buffer.length, 0);
    closeSync(fd);
    return length;
  };
  let written = 0;
  const write = (id, data, isSynced) => {
    const temporary = join(dir, `${id}.${written++}`);
    const fd = openSync(temporary, "wx");
    writeSync(fd, JSON.stringify(data));
    if (isSynced) fsyncSync(fd);
    closeSync(fd);
    renameSync(temporary, join(dir, id));
  };
  const close = () => {};
  return [
    {
      name: "raw sync read + parse",
      read: (id) => JSON.parse(buffer.toString("utf8", 0, read(id))),
      dataOf: (data) => data,
      close,
    },
    { name: "raw sync bytes", read: (id) => read(id), close },
    { name: "raw temp + rename", write: (id, data) => write(id, data, false), close },
    { name: "raw temp + fsync + rename", write: (id, data) => write(id, data, true), close },
  ];
}
