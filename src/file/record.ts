// The record file: bytes, and nothing but bytes.
//
//   filesession 1 <bytes in a slot> <mark>
//   <slot: one line>
//   <slot: one line>
//
// Each slot holds one version of the session; they are written in turn, so the version before is
// always whole while the next is being written over the one before that. A slot is
//
//   <crc32> <sequence> <bytes of meta> <bytes of data> <encoding> <meta> <data> ...spaces... <the first five again>
//
// The checksum covers all that follows it up to the end of the data. The five words stand at both
// ends of the slot because a write that was cut off leaves a new beginning and an old end, and
// damage does not:
//
//   checksum right (by either end)   the slot is whole; the higher sequence number is the session
//   wrong, and the ends differ       the write was cut off: it was never acknowledged, the other slot is the session
//   anything else                    damage: the record is not used, not even its other slot, which is older
//
// Writers leave sequence numbers that follow each other, from 1 in a new file. What does not follow is damage too: after a
// power cut any sector may be of any write since the last that reached the disk, and without this a
// record could go back behind the version that had long been there.
//
// The first line says how large a slot is, and so does the size of the file: if they differ it was
// cut off. The mark is 32 characters that say whether somebody may be at work on this very file; it
// is no part of the session, see lock.ts. One more newline at the end says that the session has a `ttl`: `clean` sees from the
// size alone which files it need not read.

import { crc32 } from "node:zlib";
import type { Encoding, Pickled } from "../core/pickle.ts";

/** What a record says of its session. */
export interface Meta {
  id: string;
  ip: string;
  time: number;
  expires?: number;
  /** The name of the cookie that opens it. */
  cookieName?: string;
  /** A session that has ended: the token of who ended it. The record is on its way out. */
  gone?: string;
  /** With `gone`, when the session has moved: the id it has now. */
  to?: string;
  /**
   * A session that is being moved here. It is one as soon as the old record is `gone` with this token.
   * With `replaces`, the version before is a session until then, last touched at that time.
   */
  pending?: { from: string; token: string; touched: number; replaces?: number };
}

/** One version of a session. */
export interface Version extends Pickled {
  seq: number;
  meta: Meta;
}

/** What a record file holds. */
export interface Contents {
  /** Bytes in each slot. */
  capacity: number;
  hasTtl: boolean;
  /** Whether somebody may be at work on this file: `unmarked`, `wary`, or a lock's token. */
  mark: string;
  current: Version;
  /** The version before, where `current` is pending and replaces it. */
  before?: Version;
  /** The slot that `current` is not in. */
  spare: 0 | 1;
}

/** The mark of a file that nobody's lock was ever taken over of. */
export const unmarked: string = " ".repeat(32);

/** The mark of a file that is not worked on, and whose lock was taken over once. */
export const wary: string = "-".repeat(32);

/** Where in the file the mark begins. */
export const markOffset = 23;

/** Bytes of the first line, the mark's among them. */
export const titleBytes = 56;

const headBytes = 40; // crc32 8, sequence 10, meta 5, data 8, encoding 4, and a space after each
const space = 0x20;
const newline = 0x0a;
const blockBytes = 4096;
const maxCapacity = 99_999_999; // eight digits in the title

/** No record file is larger. */
export const maxRecordBytes: number = titleBytes + 2 * maxCapacity + 1;

/**
 * The bytes of a new record file with these versions: one, its number 1, or one that follows it and
 * still needs it. They have an eighth of their size to grow.
 */
export function layOut(versions: [Version] | [Version, Version], mark: string = unmarked): Buffer {
  const lines = versions.map(lineOf);
  const wanted = Math.max(...lines.map(({ bytes }) => bytes));
  if (wanted > maxCapacity) throw new RangeError(`${wanted} bytes are more than a slot can have`);
  const fileBytes = titleBytes + 2 * (wanted + (wanted >> 3));
  // Whole blocks: what the file system allots anyway is room to grow without a new file.
  const capacity = Math.min(
    (Math.ceil(fileBytes / blockBytes) * blockBytes - titleBytes) >> 1,
    maxCapacity,
  );
  const end = slotOffset(2, capacity);
  const hasTtl = versions.at(-1)?.meta.expires !== undefined;
  const bytes = Buffer.alloc(end + (hasTtl ? 1 : 0), space);
  bytes.write(`${title(capacity)}${mark}\n`, "latin1");
  lines.forEach((line, slot) => {
    const offset = titleBytes + slot * capacity;
    fillSlot(bytes.subarray(offset, offset + capacity), line);
  });
  bytes.fill(newline, end - 1);
  return bytes;
}

/** The bytes of one slot that holds `version`, or `undefined` when it does not fit. */
export function slotWith(version: Version, capacity: number): Buffer | undefined {
  const line = lineOf(version);
  if (line.bytes > capacity) return undefined;
  const slot = Buffer.alloc(capacity, space);
  fillSlot(slot, line);
  return slot;
}

/** Where slot 0 or 1 begins in the file; for 2, where the file ends. */
export function slotOffset(slot: 0 | 1 | 2, capacity: number): number {
  return titleBytes + slot * capacity;
}

/** How many bytes each slot has in a file of this size. */
export function capacityOf(fileBytes: number): number {
  return (fileBytes - titleBytes) >> 1;
}

/** Whether a file of this size holds a session with a `ttl`. */
export function sizeSaysTtl(fileBytes: number): boolean {
  return (fileBytes - titleBytes) % 2 === 1;
}

/**
 * What the bytes of a record file say, or `"damaged"`. While somebody writes, a reader may see
 * damage that is none.
 */
export function parseRecord(bytes: Buffer): Contents | "damaged" {
  const capacity = capacityOf(bytes.length);
  const mark = markIn(bytes);
  if (mark === undefined) return "damaged";
  const first = parseSlot(bytes.subarray(slotOffset(0, capacity), slotOffset(1, capacity)));
  const second = parseSlot(bytes.subarray(slotOffset(1, capacity), slotOffset(2, capacity)));
  const spare = isVersion(second) && !(isVersion(first) && first.seq > second.seq) ? 0 : 1;
  const [current, other] = spare === 1 ? [first, second] : [second, first];
  if (!isVersion(current) || !isBeside(current, other)) return "damaged";
  const isNeeded = current.meta.pending?.replaces !== undefined && isVersion(other);
  return {
    capacity,
    hasTtl: sizeSaysTtl(bytes.length),
    mark,
    current,
    ...(isNeeded && { before: other }),
    spare,
  };
}

/**
 * The mark of a record file of this size that begins with `bytes`, whatever else is in it;
 * `undefined` when it is no record file.
 */
export function markIn(bytes: Buffer, fileBytes: number = bytes.length): string | undefined {
  const line = bytes.toString("latin1", 0, titleBytes);
  const isTitle = line.startsWith(title(capacityOf(fileBytes))) && line.endsWith("\n");
  return isTitle ? line.slice(markOffset, -1) : undefined;
}

/** Whether a writer leaves `other` beside the version that is the session. */
function isBeside(current: Version, other: Slot): boolean {
  if (other === "blank") return current.seq === 1;
  if (other === "damaged") return false;
  if (isVersion(other)) return other.seq === current.seq - 1 && other.meta.id === current.meta.id;
  const { cutOff, over } = other;
  return cutOff === current.seq + 1 && over === current.seq - 1;
}

function title(capacity: number): string {
  return `filesession 1 ${digits(capacity, 8)} `;
}

interface Head {
  crc: number;
  seq: number;
  metaBytes: number;
  dataBytes: number;
  encoding: Encoding;
}

const headPattern = /^([0-9a-f]{8}) (\d{10}) (\d{5}) (\d{8}) (json|rich)[ \n]$/;

function parseHead(bytes: Buffer, offset: number): Head | undefined {
  const match = headPattern.exec(bytes.toString("latin1", offset, offset + headBytes));
  if (!match) return undefined;
  return {
    crc: Number.parseInt(match[1] ?? "", 16),
    seq: Number(match[2]),
    metaBytes: Number(match[3]),
    dataBytes: Number(match[4]),
    encoding: match[5] as Encoding,
  };
}

/**
 * What is in a slot: a version; or the write of number `cutOff` that was cut off, `over` what was
 * there before, 0 for nothing.
 */
type Slot = Version | { cutOff: number; over: number } | "blank" | "damaged";

function isVersion(slot: Slot): slot is Version {
  return typeof slot === "object" && "seq" in slot;
}

function parseSlot(slot: Buffer): Slot {
  const head = parseHead(slot, 0);
  const end = slot.length - headBytes;
  if (head && matches(slot, head, slot.subarray(9, headBytes))) return versionIn(slot, head);
  const tail = parseHead(slot, end);
  if (tail) {
    const words = Buffer.from(slot.subarray(end + 9));
    words[words.length - 1] = space;
    if (matches(slot, tail, words)) return versionIn(slot, tail);
  }
  // Cut off in the first words, or not even begun.
  if (isBlank(slot.subarray(headBytes))) return "blank";
  if (head === undefined) return "damaged";
  if (tail) return { cutOff: head.seq, over: tail.seq };
  // Over nothing: then there is nothing where the version would have ended.
  const rest = slot.subarray(headBytes + head.metaBytes + 1 + head.dataBytes);
  return isBlank(rest) ? { cutOff: head.seq, over: 0 } : "damaged";
}

function matches(slot: Buffer, head: Head, words: Buffer): boolean {
  const end = headBytes + head.metaBytes + 1 + head.dataBytes;
  if (end > slot.length - headBytes) return false;
  return crc32(slot.subarray(headBytes, end), crc32(words)) === head.crc;
}

function versionIn(slot: Buffer, head: Head): Version | "damaged" {
  const metaEnd = headBytes + head.metaBytes;
  const meta = parseMeta(slot.toString("utf8", headBytes, metaEnd));
  if (meta === undefined) return "damaged";
  const text = slot.toString("utf8", metaEnd + 1, metaEnd + 1 + head.dataBytes);
  return { seq: head.seq, meta, encoding: head.encoding, text };
}

function parseMeta(text: string): Meta | undefined {
  // The checksum has been right, so this is what somebody wrote; a checksum is no secret, so it may
  // not be us.
  let meta: unknown;
  try {
    meta = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof meta !== "object" || meta === null) return undefined;
  const { id, ip, time, expires, cookieName, gone, to, pending } = meta as Partial<Meta>;
  if (typeof id !== "string" || typeof ip !== "string" || typeof time !== "number")
    return undefined;
  return {
    id,
    ip,
    time,
    ...(typeof expires === "number" && { expires }),
    ...(typeof cookieName === "string" && { cookieName }),
    ...(typeof gone === "string" && { gone }),
    ...(typeof to === "string" && { to }),
    ...(isPending(pending) && { pending }),
  };
}

function isPending(pending: unknown): pending is NonNullable<Meta["pending"]> {
  if (typeof pending !== "object" || pending === null) return false;
  const { from, token, touched, replaces } = pending as Record<string, unknown>;
  return (
    typeof from === "string" &&
    typeof token === "string" &&
    typeof touched === "number" &&
    (replaces === undefined || typeof replaces === "number")
  );
}

function isBlank(bytes: Buffer): boolean {
  const last = bytes.length - 1;
  if (bytes[0] !== space || bytes[last] !== newline) return false;
  return bytes.compare(bytes, 1, last, 0, last - 1) === 0; // each byte is as the one before
}

/** A version as it stands in a slot, with the space that it takes. */
interface Line {
  words: string;
  text: string;
  bytes: number;
}

function lineOf({ seq, meta, encoding, text }: Version): Line {
  const metaText = JSON.stringify(meta);
  const metaBytes = Buffer.byteLength(metaText);
  const dataBytes = Buffer.byteLength(text);
  return {
    words: `${digits(seq, 10)} ${digits(metaBytes, 5)} ${digits(dataBytes, 8)} ${encoding} `,
    text: `${metaText} ${text}`,
    bytes: headBytes + metaBytes + 1 + dataBytes + headBytes,
  };
}

function fillSlot(slot: Buffer, { words, text }: Line): void {
  slot.write(words, 9, "latin1");
  const end = headBytes + slot.write(text, headBytes);
  const crc = crc32(slot.subarray(9, end));
  slot.write(crc.toString(16).padStart(8, "0"), 0, "latin1");
  slot.copy(slot, slot.length - headBytes, 0, headBytes - 1);
  slot[slot.length - 1] = newline;
}

function digits(value: number, width: number): string {
  return String(value).padStart(width, "0");
}
