import type { FileSession } from "filesession";

declare global {
  namespace App {
    interface Locals {
      session: FileSession;
    }

    /** What `Astro.session` holds. */
    interface SessionData {
      user: string;
      keys: string[];
    }
  }
}
