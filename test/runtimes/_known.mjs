// What a runtime cannot do, and why it is left so. Each entry must be seen, or it has to go.

export const known = [
  {
    runtime: "Bun",
    check: "features",
    title: "a channel that nobody holds keeps its subscribers",
    why: "it is collected, subscribers and all (oven-sh/bun#43086). Who subscribes keeps what `channel(name)` has given",
  },
  {
    runtime: "Deno",
    check: "disk",
    title: "a ctime is finer than a second",
    why: "it is a number of whole seconds there. So what was read is remembered after 3 s instead of 0.05, and on a disk that keeps whole seconds a session may end one second early",
  },
  {
    runtime: "Deno",
    check: "disk",
    title: "an mtime is finer than a millisecond",
    why: "it is a number of whole milliseconds there. Nothing rests on more",
  },
];
