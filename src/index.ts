export { SessionError, type SessionErrorCode } from "./core/error.ts";
export type { SessionEvents, SessionTrace, SessionTraces } from "./core/diagnostics.ts";
export {
  type Change,
  type CleanOptions,
  type CleanResult,
  type EmptyRecord,
  type Handler,
  isRecord,
  type RetrieveOptions,
  type SessionRecord,
  type WriteOptions,
} from "./core/handler.ts";
export { FileHandler } from "./file/handler.ts";
export type { Durability, FileHandlerOptions } from "./file/options.ts";
export type { FileSessionConfig } from "./session/config.ts";
export type { CookieOptions } from "./session/cookie.ts";
export type { H3EventLike } from "./session/event.ts";
export type { FileSession, SessionUpdate } from "./session/session.ts";
export { getFileSession, type ReadonlyFileSession } from "./session/get.ts";
export { requireFileSession } from "./session/require.ts";
export { useFileSession } from "./session/use.ts";
