import { serve } from "@hono/node-server";
import { app } from "./app.ts";

const { HOST = "localhost", PORT = "3000" } = process.env;

serve({ fetch: app.fetch, hostname: HOST, port: Number(PORT) });
