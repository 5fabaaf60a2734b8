// paused.mjs <careless fault or ""> <fileDir> <staleAfter>: for each line
// `{ operation, a, b, call, share? }` does the operation on these ids, stops itself with SIGSTOP at
// that call, and when it has gone on says `{ code?, calls }`: which error it ended with, if any, and
// the names of its calls.

import { createInterface } from "node:readline";
import { setImmediate as nextTurn } from "node:timers/promises";
import { FileHandler } from "filesession";
import { intercept } from "../_calls.mjs";
import { interruptAt } from "../_interrupt.mjs";
import { CarelessHandler } from "./_careless.mjs";

const [fault, fileDir, stale] = process.argv.slice(2);
const options = { fileDir, staleAfter: Number(stale) };
const handler = fault === "" ? new FileHandler(options) : new CarelessHandler(fault, options);

const mark = { marks: ["w"] };
const large = { pad: "x".repeat(9000) };
const add = ({ data }) => ({ marks: [...(data?.marks ?? []), "w"] });
const addLarge = (record) => ({ ...add(record), ...large });
const addLater = async (record) => {
  await nextTurn();
  return add(record);
};

const operations = {
  "store a new one": (a) => handler.store(a, mark),
  store: (a) => handler.store(a, mark),
  "store, outgrowing its file": (a) => handler.store(a, { ...mark, ...large }),
  update: (a) => handler.update(a, add),
  "update, async": (a) => handler.update(a, addLater),
  "update, outgrowing its file": (a) => handler.update(a, addLarge),
  remove: (a) => handler.remove(a),
  move: (a, b) => handler.update(b, add, { oldId: a, mustExist: true }),
  "move, async": (a, b) => handler.update(b, addLater, { oldId: a, mustExist: true }),
  "move onto another": (a, b) => handler.update(b, add, { oldId: a, mustExist: true }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { operation, a, b, ...point } = JSON.parse(line);
  const calls = [];
  const stop = () => process.kill(process.pid, "SIGSTOP");
  const end = intercept(fileDir, interruptAt(point, stop, calls));
  let code;
  try {
    await operations[operation](a, b);
  } catch (error) {
    code = error.code ?? String(error);
  }
  end();
  console.log(JSON.stringify({ code, calls }));
}
