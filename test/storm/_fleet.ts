// Servers on one place, real processes, and visitors who send each request to any of them.

import { Agent, request } from "node:http";
import { fileURLToPath } from "node:url";
import { start, type Worker } from "../_process.ts";

export type Sessions = "filesession" | "useSession" | "careless" | "moving";

export interface Answer {
  status: number;
  text: string;
  /** The cookie it sets, `name=value`; with an empty value one that it takes back. */
  cookie: string | undefined;
}

/** How a server is asked. */
export type Server = (path: string, cookie?: string) => Promise<Answer>;

const script = fileURLToPath(new URL("server.mjs", import.meta.url));

/** One server for each of these majors of h3. They end with the test. */
export async function startFleet(
  majors: readonly (1 | 2)[],
  sessions: Sessions,
  fileDir: string,
): Promise<Server[]> {
  const started = majors.map((major) => startServer(major, sessions, fileDir));
  return (await Promise.all(started)).map(({ server }) => server);
}

/** A server on an app of this major of h3, and its process, which ends with the test. */
export async function startServer(
  major: 1 | 2,
  sessions: Sessions,
  place: string,
): Promise<{ server: Server; worker: Worker }> {
  const worker = start(process.execPath, [script, String(major), sessions, place]);
  const port = Number(await worker.line());
  return { server: (path, cookie) => ask(agent, port, path, cookie), worker };
}

const agent = new Agent({ keepAlive: true });

function ask(agent: Agent, port: number, path: string, cookie?: string): Promise<Answer> {
  const headers = { host: `localhost:${port}`, ...(cookie !== undefined && { cookie }) };
  return new Promise((resolve, reject) => {
    const message = request({ agent, host: "127.0.0.1", port, path, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("error", reject);
      response.on("end", () => {
        const cookie = response.headers["set-cookie"]?.[0]?.split(";")[0];
        resolve({ status: response.statusCode ?? 0, text, cookie });
      });
    });
    message.on("error", reject);
    message.end();
  });
}
