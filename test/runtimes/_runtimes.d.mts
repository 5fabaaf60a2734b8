export interface Runtime {
  name: string;
  command: string;
  args: string[];
}

export const runtimes: Runtime[];
export function installRuntimes(): void;
export function isWanted(version: string, engines: { node?: string } | undefined): boolean;
