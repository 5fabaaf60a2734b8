export { type CopyOptions, type CopyResult, copySessions } from "./core/copy.ts";
export { SessionError, type SessionErrorCode } from "./core/error.ts";
export type { SessionEvents, SessionTrace, SessionTraces } from "./core/diagnostics.ts";
export {
  type Change,
  type CleanOptions,
  type CleanResult,
  type EmptyRecord,
  type Handler,
  isRecord,
  type Moved,
  type RetrieveOptions,
  type SessionRecord,
  type WriteOptions,
} from "./core/handler.ts";
export { type MigratingOptions, migratingHandler } from "./core/migrating.ts";
export { FileHandler } from "./file/handler.ts";
export type { Durability, FileHandlerOptions } from "./file/options.ts";
export type { AdoptOptions } from "./session/adopt.ts";
export {
  closeFileSessions,
  configureFileSession,
  type FileSessionConfig,
} from "./session/config.ts";
export type { CookieOptions } from "./session/cookie.ts";
export type { H3EventLike } from "./session/event.ts";
export type {
  AnyData,
  DefaultData,
  FileSession,
  SessionData,
  SessionUpdate,
} from "./session/file-session.ts";
export { SealedHandler } from "./session/sealed.ts";
export type { CookiesRequestLike, SessionEvent, WebRequestLike } from "./session/session-event.ts";
export { getFileSession, type ReadonlyFileSession } from "./session/get.ts";
export type { SessionInfo } from "./session/owners.ts";
export { requireFileSession } from "./session/require.ts";
export type { Migrate, StandardSchema } from "./session/schema.ts";
export { type FileSessions, fileSessions } from "./session/sessions.ts";
export { useFileSession } from "./session/use.ts";
