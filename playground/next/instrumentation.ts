/** Next.js calls it once, when the server starts. */
export async function register(): Promise<void> {
  if (process.env.NEXT_RUNTIME !== "nodejs") return;
  const { configureFileSession } = await import("filesession");
  configureFileSession({ fileDir: ".data/sessions", maxAge: 30 * 24 * 60 * 60 });
}
