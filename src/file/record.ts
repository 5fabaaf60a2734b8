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

import type { Encoding, Pickled } from "../core/pickle.ts";
import { Scratch } from "./scratch.ts";

/** What a record says of its session. */
export interface Meta {
  id: string;
  ip: string;
  time: number;
  expires?: number;
  lasting?: true;
  /** The name of the cookie that opens it. */
  cookieName?: string;
  tag?: string;
  tagTime?: number;
  /** A session that has ended: the token of who ended it. The record is on its way out. */
  gone?: string;
  /** With `gone`, when the session has moved: the id it has now. */
  to?: string;
  /** With `to`: until when it leads there. What says so stays when the move is over. */
  until?: number;
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

/** Which bytes of a file. */
export interface Place {
  at: number;
  bytes: number;
}

/** What a record file holds. */
export interface Contents {
  /** Bytes in each slot. */
  capacity: number;
  hasTtl: boolean;
  /** Whether somebody may be at work on this file: `unmarked`, `wary`, or a lock's token. */
  mark: string;
  current: Version;
  /** Where the text of `current` stands in the file. */
  place: Place;
  /** The version before, where `current` is pending and replaces it. */
  before?: Version | undefined;
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
const crcBytes = 9; // what the checksum is of begins here
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
  const wanted = Math.max(...versions.map(bytesOf));
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
  bytes.write(`${title}${digits(capacity, 8)} ${mark}\n`, "latin1");
  versions.forEach((version, slot) => {
    const offset = titleBytes + slot * capacity;
    fillSlot(bytes.subarray(offset, offset + capacity), version);
  });
  bytes.fill(newline, end - 1);
  return bytes;
}

/**
 * The bytes of one slot that holds `version`, or `undefined` when it does not fit. They are good
 * until the next call.
 */
export function slotWith(version: Version, capacity: number): Buffer | undefined {
  const slot = slots.take(capacity);
  return fillSlot(slot, version) ? slot : undefined;
}

const slots = new Scratch();

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
  const spare = isWhole(second) && !(isWhole(first) && first.seq > second.seq) ? 0 : 1;
  const current = spare === 1 ? first : second;
  const other = spare === 1 ? second : first;
  if (!isWhole(current) || !isBeside(current, other)) return "damaged";
  const meta = parseMeta(current.metaText);
  if (meta === undefined) return "damaged";
  let before: Version | undefined;
  if (isWhole(other)) {
    const otherMeta = other.metaText === current.metaText ? meta : parseMeta(other.metaText);
    if (otherMeta?.id !== meta.id) return "damaged";
    if (meta.pending?.replaces !== undefined) before = versionIn(other, otherMeta);
  }
  const hasTtl = sizeSaysTtl(bytes.length);
  const { dataStart, dataEnd } = current;
  const at = slotOffset(spare === 1 ? 0 : 1, capacity) + dataStart;
  const place = { at, bytes: dataEnd - dataStart };
  return { capacity, hasTtl, mark, current: versionIn(current, meta), place, before, spare };
}

/**
 * The mark of a record file of this size that begins with `bytes`, whatever else is in it;
 * `undefined` when it is no record file.
 */
export function markIn(bytes: Buffer, fileBytes: number = bytes.length): string | undefined {
  const isTitle =
    bytes.toString("latin1", 0, title.length) === title &&
    numberAt(bytes, title.length, 8) === capacityOf(fileBytes) &&
    bytes[markOffset - 1] === space &&
    bytes[titleBytes - 1] === newline;
  return isTitle ? bytes.toString("latin1", markOffset, titleBytes - 1) : undefined;
}

/** Whether a writer leaves `other` beside the version that is the session. Its id is looked at later. */
function isBeside(current: WholeSlot, other: Slot): boolean {
  if (other === "blank") return current.seq === 1;
  if (other === "damaged") return false;
  if (isWhole(other)) return other.seq === current.seq - 1;
  const { cutOff, over } = other;
  return cutOff === current.seq + 1 && over === current.seq - 1;
}

const title = "filesession 1 ";

/**
 * What is in a slot: a version; or the write of number `cutOff` that was cut off, `over` what was
 * there before, 0 for nothing.
 */
type Slot = WholeSlot | { cutOff: number; over: number } | "blank" | "damaged";

/** A version whose checksum is right. Its data is text only when somebody needs it. */
interface WholeSlot {
  slot: Buffer;
  seq: number;
  metaText: string;
  encoding: Encoding;
  dataStart: number;
  dataEnd: number;
}

function isWhole(slot: Slot): slot is WholeSlot {
  return typeof slot === "object" && "seq" in slot;
}

function parseSlot(slot: Buffer): Slot {
  const head = parseHead(slot, 0);
  const tailStart = slot.length - headBytes;
  if (head && crcWithHead(slot, head) === head.crc) return wholeSlot(slot, head);
  const tail = parseHead(slot, tailStart);
  if (tail && crcWithTail(slot, tail) === tail.crc) return wholeSlot(slot, tail);
  // Cut off in the first words, or not even begun.
  if (isBlank(slot.subarray(headBytes))) return "blank";
  if (head === undefined) return "damaged";
  if (tail) return { cutOff: head.seq, over: tail.seq };
  // Over nothing: then there is nothing where the version would have ended.
  return isBlank(slot.subarray(dataEnd(head))) ? { cutOff: head.seq, over: 0 } : "damaged";
}

/** The five words of a version. */
interface Head {
  crc: number;
  seq: number;
  metaBytes: number;
  dataBytes: number;
  encoding: Encoding;
}

/** By the bytes: with an expression it costs six times as much. */
function parseHead(bytes: Buffer, offset: number): Head | undefined {
  const crc = numberAt(bytes, offset, 8, 16);
  const seq = numberAt(bytes, offset + 9, 10);
  const metaBytes = numberAt(bytes, offset + 20, 5);
  const dataBytes = numberAt(bytes, offset + 26, 8);
  const encoding = encodingAt(bytes, offset + 35);
  const isHead =
    encoding !== undefined &&
    !Number.isNaN(crc + seq + metaBytes + dataBytes) &&
    bytes[offset + 8] === space &&
    bytes[offset + 19] === space &&
    bytes[offset + 25] === space &&
    bytes[offset + 34] === space &&
    (bytes[offset + 39] === space || bytes[offset + 39] === newline);
  return isHead ? { crc, seq, metaBytes, dataBytes, encoding } : undefined;
}

/** The number that these digits, in lower case, say; NaN when one of them is none. */
function numberAt(bytes: Buffer, offset: number, width: number, base: 10 | 16 = 10): number {
  let value = 0;
  for (let index = offset; index < offset + width; index++) {
    const digit = digitOf(bytes[index] ?? 0);
    if (digit >= base) return Number.NaN;
    value = value * base + digit;
  }
  return value;
}

const noDigit = 99;

function digitOf(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  return code >= 0x61 && code <= 0x66 ? code - 0x61 + 10 : noDigit;
}

function encodingAt(bytes: Buffer, offset: number): Encoding | undefined {
  if (isAt(bytes, offset, jsonWord)) return "json";
  return isAt(bytes, offset, richWord) ? "rich" : undefined;
}

const jsonWord = Buffer.from("json");
const richWord = Buffer.from("rich");

function isAt(bytes: Buffer, offset: number, word: Buffer): boolean {
  for (let index = 0; index < word.length; index++)
    if (bytes[offset + index] !== word[index]) return false;
  return true;
}

function dataEnd({ metaBytes, dataBytes }: Head): number {
  return headBytes + metaBytes + 1 + dataBytes;
}

/** The checksum of the words and the version, `undefined` when it would not end in the slot. */
function crcWithHead(slot: Buffer, head: Head): number | undefined {
  const end = dataEnd(head);
  return end > slot.length - headBytes ? undefined : crc32(slot.subarray(crcBytes, end));
}

/** The same with the words at the other end, which are followed by a newline there. */
function crcWithTail(slot: Buffer, tail: Head): number | undefined {
  const end = dataEnd(tail);
  const tailStart = slot.length - headBytes;
  if (end > tailStart) return undefined;
  const words = Buffer.from(slot.subarray(tailStart + crcBytes));
  words[words.length - 1] = space;
  return crc32(slot.subarray(headBytes, end), crc32(words));
}

function wholeSlot(slot: Buffer, head: Head): WholeSlot {
  const { seq, metaBytes, encoding } = head;
  const metaEnd = headBytes + metaBytes;
  const metaText = slot.toString("utf8", headBytes, metaEnd);
  return { slot, seq, metaText, encoding, dataStart: metaEnd + 1, dataEnd: dataEnd(head) };
}

function versionIn({ slot, seq, encoding, dataStart, dataEnd }: WholeSlot, meta: Meta): Version {
  return { seq, meta, encoding, text: slot.toString("utf8", dataStart, dataEnd) };
}

function parseMeta(text: string): Meta | undefined {
  // The checksum has been right, so this is what somebody wrote; a checksum is no secret, so it may
  // not be us.
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof parsed !== "object" || parsed === null) return undefined;
  const { id, ip, time, expires, lasting, cookieName, tag, tagTime, gone, to, until, pending } =
    parsed as Partial<Meta>;
  if (typeof id !== "string" || typeof ip !== "string" || typeof time !== "number")
    return undefined;
  const meta: Meta = { id, ip, time };
  if (typeof expires === "number") meta.expires = expires;
  if (lasting === true) meta.lasting = lasting;
  if (typeof cookieName === "string") meta.cookieName = cookieName;
  if (typeof tag === "string") meta.tag = tag;
  if (typeof tagTime === "number") meta.tagTime = tagTime;
  if (typeof gone === "string") meta.gone = gone;
  if (typeof to === "string") meta.to = to;
  if (typeof until === "number") meta.until = until;
  if (isPending(pending)) meta.pending = pending;
  return meta;
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

/** How large a slot must be for this version. */
function bytesOf({ meta, text }: Version): number {
  const metaBytes = Buffer.byteLength(JSON.stringify(meta));
  return headBytes + metaBytes + 1 + Buffer.byteLength(text) + headBytes;
}

/**
 * Makes these bytes a slot that holds `version`, whatever is in them. Whether it fits: that is seen
 * from where it ends, since to count the bytes of a text costs three times as much as to write it.
 */
function fillSlot(slot: Buffer, { seq, meta, encoding, text }: Version): boolean {
  const tailStart = slot.length - headBytes;
  const metaText = JSON.stringify(meta);
  if (headBytes + metaText.length + 1 + text.length > tailStart) return false;
  const metaEnd = headBytes + slot.write(metaText, headBytes);
  if (metaEnd >= tailStart) return false;
  slot[metaEnd] = space;
  // What is cut short here does end beyond `tailStart`: more than one character fits behind it.
  const end = metaEnd + 1 + slot.write(text, metaEnd + 1);
  if (end > tailStart) return false;
  const sizes = `${digits(metaEnd - headBytes, 5)} ${digits(end - metaEnd - 1, 8)}`;
  slot.write(`${digits(seq, 10)} ${sizes} ${encoding} `, crcBytes, "latin1");
  const crc = crc32(slot.subarray(crcBytes, end));
  slot.write(`${crc.toString(16).padStart(8, "0")} `, "latin1");
  slot.fill(space, end, tailStart);
  slot.copyWithin(tailStart, 0, headBytes - 1);
  slot[slot.length - 1] = newline;
  return true;
}

let zlib: { crc32(bytes: Buffer, before?: number): number } | undefined;

/** As node:zlib has it, which is loaded with the first record. */
function crc32(bytes: Buffer, before?: number): number {
  zlib ??= process.getBuiltinModule("node:zlib");
  return zlib.crc32(bytes, before);
}

function digits(value: number, width: number): string {
  return String(value).padStart(width, "0");
}
