// What a session holds, said once for the whole app: on the server and, as far as it is public, in it.
declare module "filesession" {
  interface SessionData {
    user?: string;
    /** When the user has logged in. */
    since?: Date;
    visits?: number;
    /** Never leaves the server. */
    secret?: string;
    late?: boolean;
  }
}

export {};
