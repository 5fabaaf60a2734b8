// The example for OpenTelemetry, as docs/observability.md shows it, with the real SDK.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { SpanStatusCode, trace } from "@opentelemetry/api";
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-node";
import { transformSync } from "rolldown/utils";
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from "vitest";
import { FileHandler, useFileSession } from "../src/index.ts";
import { listen } from "./_channels.ts";
import { tempDir } from "./_dir.ts";
import { describeH3 } from "./_h3.ts";

const exporter = new InMemorySpanExporter();
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const cache = fileURLToPath(new URL("../node_modules/.cache/", import.meta.url));
let dir: string;

beforeAll(async () => {
  const page = readFileSync(new URL("../docs/observability.md", import.meta.url), "utf8");
  const [, code = ""] = /^```ts\n(\/\/ filesession-spans\.ts\n.*?)^```/ms.exec(page) ?? [];
  // Inside of the package, where its dependencies are found.
  mkdirSync(cache, { recursive: true });
  dir = mkdtempSync(join(cache, "observability-"));
  const file = join(dir, "filesession-spans.mjs");
  writeFileSync(file, transformSync("filesession-spans.ts", code).code);
  provider.register();
  await import(pathToFileURL(file).href);
});
beforeEach(() => exporter.reset());
afterAll(async () => {
  rmSync(dir, { recursive: true });
  await provider.shutdown();
});

/** The spans of this name. */
function spans(name: string): ReadableSpan[] {
  return exporter.getFinishedSpans().filter((span) => span.name === name);
}

/** The name of a span's parent. */
function parentOf(span: ReadableSpan | undefined): string | undefined {
  const id = span?.parentSpanContext?.spanId;
  return exporter.getFinishedSpans().find((one) => one.spanContext().spanId === id)?.name;
}

describeH3("the example for OpenTelemetry", (h3) => {
  const served = async () => {
    const handler = new FileHandler({ fileDir: tempDir() });
    onTestFinished(() => handler.close());
    const tracer = trace.getTracer("app");
    const site = await h3.serve({
      "/": (event) =>
        tracer.startActiveSpan("GET /", async (span) => {
          try {
            const session = await useFileSession<{ n: number }>(event, { handler });
            await session.update(({ n = 0 }) =>
              tracer.startActiveSpan("count", async (inner) => {
                await handler.retrieve("another");
                inner.end();
                return { n: n + 1 };
              }),
            );
            return session.id;
          } finally {
            span.end();
          }
        }),
      "/regenerate": (event) =>
        tracer.startActiveSpan("GET /regenerate", async (span) => {
          await (await useFileSession(event, { handler })).regenerate();
          span.end();
          return "";
        }),
    });
    return { handler, visitor: site.visitor() };
  };

  it("makes the span of an update a child of the request's", async () => {
    const { visitor } = await served();
    const { text: id } = await visitor.get("/");
    const [update, ...others] = spans("filesession.update");
    expect(others).toEqual([]);
    expect(parentOf(update)).toBe("GET /");
    expect(update?.attributes).toEqual({
      "filesession.handler": "file",
      "filesession.id": id,
      "filesession.outcome": "value",
    });
  });

  it("has the span of a change between those of its update and of what it calls", async () => {
    const { visitor } = await served();
    await visitor.get("/");
    expect(parentOf(spans("filesession.retrieve")[0])).toBe("count");
    expect(parentOf(spans("count")[0])).toBe("GET /"); // the app's own spans know the app's only
  });

  it("has the span of a move within that of a regenerate", async () => {
    const { visitor } = await served();
    await visitor.get("/");
    await visitor.get("/regenerate");
    expect(parentOf(spans("filesession.regenerate")[0])).toBe("GET /regenerate");
    expect(spans("filesession.update").map(parentOf)).toEqual(["GET /", "filesession.regenerate"]);
  });

  it("has the span of a wait within that of the operation", async () => {
    const { handler } = await served();
    await handler._acquireLock("a");
    listen("tracing:filesession:lock.wait:start", () => void handler._releaseLock("a"));
    await handler.update("a", () => 1);
    expect(spans("filesession.lock.wait").map(parentOf)).toEqual(["filesession.update"]);
  });

  it("has an operation that fails end with its error", async () => {
    const { handler } = await served();
    await expect(handler.update("a", () => 1, { mustExist: true })).rejects.toThrow("a");
    const [update] = spans("filesession.update");
    expect(update?.status.code).toBe(SpanStatusCode.ERROR);
    expect(update?.events[0]?.attributes).toMatchObject({ "exception.type": "ERR_SESSION_GONE" });
  });

  it("has a clean begin a trace of its own", async () => {
    const { handler } = await served();
    await trace
      .getTracer("app")
      .startActiveSpan("GET /", (span) => handler.clean(0).finally(() => span.end()));
    const [clean] = spans("filesession.clean");
    expect(clean?.parentSpanContext).toBeUndefined();
    expect(clean?.attributes).toMatchObject({ "filesession.removed": 0 });
  });
});
