import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** A server in a process of its own. */
export interface Server {
  url: string;
  pid: number;
  /** Has its clock go `ms` ahead of ours from now on; 0 sets it right again. */
  setClockAhead(ms: number): Promise<void>;
  /** Asks it to end, as whoever deploys the next version does. Its exit code, or what killed it. */
  terminate(): Promise<number | NodeJS.Signals>;
  /** Ends it as `kill -9` does: it gets to do nothing any more. */
  kill(): Promise<void>;
}

// A test run that is killed itself cannot end its servers: they go when it lets go of them. Until then
// it can set their clocks.
const ledByTheTests = `data:text/javascript,
  const { now } = Date;
  process.on("disconnect", () => process.exit());
  process.on("message", (ms) => {
    Date.now = () => now() + ms;
    process.send(ms);
  });
  process.channel.unref();`;

/**
 * Starts the built server in `cwd`, on a free port. Resolves when it says that it listens; rejects
 * when it ends before that.
 */
export async function startServer(
  script: string,
  cwd: string,
  more: NodeJS.ProcessEnv = {},
): Promise<Server> {
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    NODE_ENV: "production",
    HOST: "localhost",
    PORT: "0",
    ...more,
  };
  // With the one Nitro 3 does not say that it listens, and with either it ends at once when it is told to.
  delete env["TEST"];
  delete env["CI"];
  const child = spawn(process.execPath, ["--import", ledByTheTests, script], {
    cwd,
    env,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const exited = once(child, "exit");
  let errors = "";
  child.stderr!.on("data", (chunk: Buffer) => (errors += chunk));
  const kill = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    await exited;
  };

  const terminate = async (): Promise<number | NodeJS.Signals> => {
    child.kill("SIGTERM");
    const [code, signal] = (await exited) as [number | null, NodeJS.Signals];
    return code ?? signal;
  };

  const setClockAhead = async (ms: number): Promise<void> => {
    const isSet = once(child, "message");
    child.send(ms);
    await isSet;
  };

  const tooLate = setTimeout(() => child.kill("SIGKILL"), 10_000);
  try {
    // Read to the end, so that the pipe never fills.
    const lines = createInterface(child.stdout!);
    const port = await new Promise<string>((resolve, reject) => {
      lines.on("line", (line) => {
        const listening = /\bListening on\b.*?:(\d+)\/?(?: \(|$)/.exec(line);
        if (listening) resolve(listening[1]!);
      });
      lines.on("close", () => reject(new Error(`The server ended before it listened.\n${errors}`)));
    });
    return { url: `http://localhost:${port}`, pid: child.pid!, setClockAhead, terminate, kill };
  } catch (error) {
    await kill();
    throw error;
  } finally {
    clearTimeout(tooLate);
  }
}
