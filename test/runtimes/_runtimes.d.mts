export interface Runtime {
  name: string;
  command: string;
  args: string[];
}

export const runtimes: Runtime[];
export function installRuntimes(): void;
