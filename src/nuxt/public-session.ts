// What the browser sees of a session.

import type { DefaultData, SessionData } from "../index.ts";

/** The keys that `public` in `nuxt.config.ts` names. Nuxt generates them. */
export interface PublicSessionKeys {}

/** What of the session's data is public. */
export type PublicSession = keyof SessionData extends never
  ? DefaultData
  : Partial<Pick<SessionData, keyof PublicSessionKeys & keyof SessionData>>;

/** The declarations that say which keys are public. By the first line TypeScript knows the module. */
export function typesOf(keys: readonly string[]): string {
  return `/// <reference types="filesession/nuxt" />
declare module "filesession/nuxt" {
  interface PublicSessionKeys {
${keys.map((key) => `    ${JSON.stringify(key)}: true;`).join("\n")}
  }
}
export {};
`;
}
