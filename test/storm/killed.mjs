// killed.mjs <fault or ""> <fileDir> <operation> <call> <share or "">: does one operation, and is
// killed at that call of it.

import { FileHandler } from "filesession";
import { intercept } from "../_calls.mjs";
import { faults } from "../_faulty.mjs";
import { interruptAt } from "../_interrupt.mjs";
import { operations } from "../_operations.mjs";

const [fault, fileDir, name, call, share] = process.argv.slice(2);
const Handler = fault === "" ? FileHandler : faults[fault](FileHandler);
const handler = new Handler({ fileDir, threads: 0 }); // the calls of this thread are counted
const point = { call: Number(call), ...(share !== "" && { share: Number(share) }) };
const { run } = operations.find((operation) => operation.name === name);

intercept(
  handler.fileDir,
  interruptAt(point, () => process.kill(process.pid, "SIGKILL")),
);
await run(handler);
