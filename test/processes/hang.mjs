// hang.mjs <fault or ""> <fileDir> <id> <call>: updates a session; that call which concerns it never
// returns. Says `hangs` when it is there.

import { writeSync } from "node:fs";
import { FileHandler } from "filesession";
import { intercept } from "../_calls.mjs";
import { faults } from "../_faulty.mjs";
import { interruptAt } from "../_interrupt.mjs";

const [fault, fileDir, id, call] = process.argv.slice(2);
const Handler = fault === "" ? FileHandler : faults[fault](FileHandler);
const handler = new Handler({ fileDir });
const hang = () => {
  writeSync(1, "hangs\n");
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
};
const between = interruptAt({ call: Number(call) }, hang);
intercept(handler.fileDir, (made, proceed) =>
  made.path.startsWith(handler._sessionFile(id)) ? between(made, proceed) : proceed(),
);
await handler.update(id, () => ({ v: "new" }));
