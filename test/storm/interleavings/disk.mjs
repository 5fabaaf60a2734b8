// A directory that exists in memory only: what a few processes see of one file system, one system
// call after the other. A disk is never changed, every call gives a new one, so that all orders of
// calls can be tried from the same point.
//
// Nothing here knows of locks or records. It does what POSIX says, and where POSIX leaves a choice,
// the harder one: the write of a slot is made in two parts, with anybody's call between them.

import { constants } from "node:fs";
import { basename } from "node:path";

const contents = [Buffer.alloc(0)];
const numbers = new Map([["", 0]]);

/** Every content that was ever written has a number, so that disks are quick to compare. */
function numberOf(bytes) {
  const key = bytes.toString("latin1");
  let number = numbers.get(key);
  if (number === undefined) {
    number = contents.push(Buffer.from(bytes)) - 1;
    numbers.set(key, number);
  }
  return number;
}

export const contentOf = (number) => contents[number];

/** All files have been made and changed at this moment: in the model no clock can be relied upon. */
export const now = 1_700_000_000_000;

/**
 * names: file name -> inode number; inodes: number -> { content, mtime, owner };
 * descriptors: [process, fd, inode number].
 */
export const emptyDisk = { names: new Map(), inodes: new Map(), descriptors: [] };

/** The disk as text: equal for two disks on which everything goes on in the same way. */
export function describeDisk({ names, inodes, descriptors }) {
  const files = [...names].sort(([a], [b]) => (a < b ? -1 : 1));
  const nodes = [...inodes].sort(([a], [b]) => a - b);
  return `${files.join(" ")}|${nodes.map(([number, { content, mtime }]) => `${number},${content},${mtime}`).join(" ")}|${descriptors.join(" ")}`;
}

/** What is left when a process is gone: everything but its descriptors. */
export function closeAll(disk, process) {
  const descriptors = disk.descriptors.filter(([owner]) => owner !== process);
  return withoutOrphans({ ...disk, descriptors });
}

const fail = (code) => ({ error: code });

/**
 * One call by one process: the disk after it, and what the call gave: `value`, or `error`. `fresh`
 * is the number of the next inode that this process makes, `fd` that of its next descriptor.
 */
export function call(disk, process, { name, args }, fresh, fd) {
  switch (name) {
    case "openSync":
      return open(disk, process, basename(args[0]), args[1], fresh, fd);
    case "closeSync": {
      const descriptors = disk.descriptors.filter(
        ([owner, number]) => owner !== process || number !== args[0],
      );
      return [withoutOrphans({ ...disk, descriptors }), { value: undefined }];
    }
    case "fstatSync":
      return [disk, { stats: statsOf(disk, inodeAt(disk, process, args[0])) }];
    case "lstatSync": {
      const number = disk.names.get(basename(args[0]));
      if (number !== undefined) return [disk, { stats: statsOf(disk, number) }];
      return [disk, args[1]?.throwIfNoEntry === false ? { value: undefined } : fail("ENOENT")];
    }
    case "readSync": {
      const { content } = disk.inodes.get(inodeAt(disk, process, args[0]));
      const [, , , length, position] = args;
      return [disk, { read: content, position, length }];
    }
    case "writeSync":
      return write(disk, inodeAt(disk, process, args[0]), args);
    case "futimesSync": {
      const number = inodeAt(disk, process, args[0]);
      const mtime = args[2] instanceof Date ? args[2].getTime() : Math.round(args[2] * 1000);
      return [changed(disk, number, { mtime }), { value: undefined }];
    }
    case "linkSync":
      return link(disk, basename(args[0]), basename(args[1]));
    case "renameSync":
      return rename(disk, basename(args[0]), basename(args[1]));
    case "unlinkSync": {
      const names = new Map(disk.names);
      if (!names.delete(basename(args[0]))) return [disk, fail("ENOENT")];
      return [withoutOrphans({ ...disk, names }), { value: undefined }];
    }
    case "opendirSync":
      return [disk, { entries: [...disk.names.keys()].sort() }];
    default:
      throw new Error(`the model has no ${name}`);
  }
}

function open(disk, process, name, flags, fresh, fd) {
  const { O_CREAT, O_EXCL } = constants;
  let { names, inodes } = disk;
  let number = names.get(name);
  if (flags & O_CREAT) {
    if (!(flags & O_EXCL)) throw new Error("the model has only exclusive creation");
    if (number !== undefined) return [disk, fail("EEXIST")];
    number = fresh;
    names = new Map(names).set(name, number);
    inodes = new Map(inodes).set(number, { content: 0, mtime: now, owner: process });
  }
  if (number === undefined) return [disk, fail("ENOENT")];
  const descriptors = [...disk.descriptors, [process, fd, number]];
  return [{ names, inodes, descriptors }, { value: fd }];
}

// Where the write of a slot is cut: what it says of the session has begun and has not ended.
const inMidst = 60;

function write(disk, number, args) {
  const old = contents[disk.inodes.get(number).content];
  const isText = typeof args[1] === "string";
  const [offset, length] = isText ? [0, args[1].length] : [args[2], args[3]];
  const data = isText ? Buffer.from(args[1], args[3]) : args[1];
  const position = (isText ? args[2] : args[4]) ?? 0;
  const isWhole = length <= 1500 || offset > 0;
  const count = isWhole ? length : inMidst;
  const bytes = Buffer.alloc(Math.max(old.length, position + count));
  old.copy(bytes);
  data.copy(bytes, position, offset, offset + count);
  return [changed(disk, number, { content: numberOf(bytes) }), { value: count }];
}

let isLinkless = false;

/** From now on no file of a session can have a second name. */
export function forbidLinks() {
  isLinkless = true;
}

function link(disk, from, to) {
  if (isLinkless && !to.startsWith("owner-")) return [disk, fail("ENOTSUP")];
  const number = disk.names.get(from);
  if (number === undefined) return [disk, fail("ENOENT")];
  if (disk.names.has(to)) return [disk, fail("EEXIST")];
  return [{ ...disk, names: new Map(disk.names).set(to, number) }, { value: undefined }];
}

function rename(disk, from, to) {
  const number = disk.names.get(from);
  if (number === undefined) return [disk, fail("ENOENT")];
  // rename(2): two names of the same file stay as they are.
  if (disk.names.get(to) === number) return [disk, { value: undefined }];
  const names = new Map(disk.names);
  names.delete(from);
  names.set(to, number);
  return [withoutOrphans({ ...disk, names }), { value: undefined }];
}

function changed(disk, number, change) {
  const inodes = new Map(disk.inodes);
  inodes.set(number, { ...inodes.get(number), ...change });
  return { ...disk, inodes };
}

function withoutOrphans(disk) {
  const used = new Set(disk.names.values());
  for (const [, , number] of disk.descriptors) used.add(number);
  if (used.size === disk.inodes.size) return disk;
  const inodes = new Map([...disk.inodes].filter(([number]) => used.has(number)));
  return { ...disk, inodes };
}

function inodeAt({ descriptors }, process, fd) {
  for (const [owner, number, inode] of descriptors)
    if (owner === process && number === fd) return inode;
  throw new Error(`process ${process} has no descriptor ${fd}`);
}

function statsOf(disk, number) {
  const { content, mtime } = disk.inodes.get(number);
  const links = [...disk.names.values()].filter((named) => named === number).length;
  return { number, size: contents[content].length, mtime, links };
}
