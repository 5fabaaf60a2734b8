export { SessionError, type SessionErrorCode } from "./core/error.ts";
export { isRecord } from "./core/handler.ts";
export type {
  Change,
  CleanOptions,
  CleanResult,
  EmptyRecord,
  Handler,
  RetrieveOptions,
  SessionRecord,
  WriteOptions,
} from "./core/handler.ts";
export { FileHandler, type FileHandlerOptions } from "./file/handler.ts";
export type { Durability } from "./file/publish.ts";
