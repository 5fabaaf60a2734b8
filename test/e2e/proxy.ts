import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createProxyServer } from "httpxy";

/** What stands before several servers, as a load balancer does: each request goes to the next of them. */
export interface Proxy {
  url: string;
  add(server: { url: string }): void;
  close(): Promise<void>;
}

/**
 * Starts a proxy for these servers, on a free port. One that does not answer is asked no more, and whose
 * request that was gets a 502: it may have been done.
 */
export async function startProxy(servers: readonly { url: string }[]): Promise<Proxy> {
  let inTurn = [...servers];
  const proxy = createProxyServer({});
  const front = createServer((request, response) => {
    const [next] = inTurn;
    if (!next) return void response.writeHead(502).end();
    inTurn = [...inTurn.slice(1), next];
    proxy.web(request, response, { target: next.url }).catch(() => {
      inTurn = inTurn.filter((server) => server !== next);
      if (response.headersSent) response.destroy();
      else response.writeHead(502).end();
    });
  });
  front.listen(0, "localhost");
  await once(front, "listening");
  const { port } = front.address() as AddressInfo;
  return {
    url: `http://localhost:${port}`,
    add: (server) => void inTurn.push(server),
    async close() {
      front.close();
      front.closeAllConnections();
      await once(front, "close");
    },
  };
}
