/** One scale of time for all rows, so that bars can be compared; it changes in steps, and not for one slow proposal. Pure. */

const STEPS = [0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000];
/** This share of the proposals ends within the scale; the slowest run out of it to the right, with a mark. */
const SHARE = 0.85;
/** It shrinks only when everything would fit into this part of the next smaller step. */
const SLACK = 0.8;

export class Scale {
  constructor() {
    this.top = 2;
  }

  /**
   * @param {number[]} ends when each shown proposal ended, in ms
   * @returns {boolean} whether the scale changed
   */
  fit(ends) {
    if (ends.length < 3) return false;
    const sorted = [...ends].sort((a, b) => a - b);
    const need = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * SHARE))];
    const before = this.top;
    while (need > this.top && this.top < STEPS[STEPS.length - 1]) this.top = STEPS[STEPS.indexOf(this.top) + 1];
    while (this.top > STEPS[0] && need < STEPS[STEPS.indexOf(this.top) - 1] * SLACK) this.top = STEPS[STEPS.indexOf(this.top) - 1];
    return before !== this.top;
  }

  /** @param {number} ms @param {number} width @returns {number} px, never beyond the right end */
  px(ms, width) {
    return Math.max(0, Math.min(1, ms / this.top)) * width;
  }
}

/**
 * The smallest step that holds `ms`, for a drawing that has its scale to itself.
 *
 * @param {number} ms
 */
export function stepFor(ms) {
  return STEPS.find((step) => step >= ms) ?? Math.ceil(ms);
}
