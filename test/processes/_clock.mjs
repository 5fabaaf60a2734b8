// The clock of this process, which can be set without a right to set the machine's.

const RealDate = Date;
let shiftMs = 0;

globalThis.Date = class Date extends RealDate {
  constructor(...args) {
    if (args.length > 0) super(...args);
    else super(RealDate.now() + shiftMs);
  }
  static now() {
    return RealDate.now() + shiftMs;
  }
};

/** From now on the clock is that far off. */
export function setClock(ms) {
  shiftMs = ms;
}
