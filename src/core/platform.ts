// Which system this is: the only place that asks. What is different there is in file/platform.ts.

export const isWindows: boolean = process.platform === "win32";

export const isMac: boolean = process.platform === "darwin";
