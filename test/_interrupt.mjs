// Interrupts an operation at one of its system calls.

/** The shares of a write that are tried: the kernel may have taken any number of bytes. */
export const shares = [0, 0.5, 1];

/**
 * A `between` for `intercept` that does `interrupt` before call `call`, counted from 1, or with
 * `share` when that share of its bytes is written: at least one of them, and never all. If that
 * comes back, the operation goes on as if nothing had been. `seen` gets the name of each call.
 */
export function interruptAt({ call: at, share }, interrupt, seen = []) {
  return (call, proceed) => {
    seen.push(call.name);
    if (seen.length !== at) return proceed();
    if (share === undefined || call.name !== "writeSync") {
      interrupt();
      return proceed();
    }
    const [first, rest] = split(call.args, share);
    const count = proceed(...first);
    interrupt();
    return count + proceed(...rest);
  };
}

function split([fd, bytes, ...where], share) {
  const isText = typeof bytes === "string";
  const length = isText ? bytes.length : where[1];
  const cut = Math.min(Math.max(1, Math.floor(length * share)), length - 1);
  if (isText) {
    const [position, encoding] = where;
    return [
      [fd, bytes.slice(0, cut), position, encoding],
      [fd, bytes.slice(cut), position + cut, encoding],
    ];
  }
  const [offset, , position] = where;
  return [
    [fd, bytes, offset, cut, position],
    [fd, bytes, offset + cut, length - cut, position + cut],
  ];
}

/** Every point at which an operation that makes these calls can be interrupted. */
export function pointsOf(calls) {
  return calls.flatMap((name, index) => {
    const call = index + 1;
    return name === "writeSync"
      ? [{ call }, ...shares.map((share) => ({ call, share }))]
      : [{ call }];
  });
}
