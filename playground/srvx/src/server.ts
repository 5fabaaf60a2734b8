import { serve } from "srvx";
import { handle } from "./app.ts";

serve({ fetch: handle, hostname: process.env.HOST ?? "localhost" });
