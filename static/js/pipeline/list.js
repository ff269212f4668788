/**
 * The rows, newest first, bounded. Under the pointer, walked by keys, or scrolled away from the top the list stands
 * still: rows go on filling in place, new ones are counted and wait for a click.
 */

import { fillRow, makeRow } from "./row.js";
import { lanesOf } from "./waterfall.js";

/** @typedef {import("./types.js").Proposal} Proposal */

/** The order of rows changes at most this often; what is in a row, as often as it is told. */
const ORDER_MS = 450;
const TOP_PX = 6;

export class List {
  /**
   * @param {HTMLElement} body the `tbody`
   * @param {{limit: number, scroller?: Element | null, onSelect?: (zxid: string) => void, onWaiting?: (count: number) => void, onReordered?: (shown: number) => void}} options
   */
  constructor(body, { limit, scroller = null, onSelect, onWaiting, onReordered }) {
    this.body = body;
    this.limit = limit;
    this.scroller = scroller;
    this.onWaiting = onWaiting ?? (() => {});
    /** Told when rows changed by themselves, later than they were handed over. */
    this.onReordered = onReordered ?? (() => {});
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.due = undefined;
    /** What each row was last filled with. @type {Map<string, Proposal>} */
    this.filled = new Map();
    this.filledFor = "";
    /** @type {Map<string, HTMLElement>} */
    this.rows = new Map();
    /** @type {string[]} */
    this.order = [];
    this.hovered = false;
    this.orderedAt = -Infinity;
    body.addEventListener("pointerenter", () => { this.hovered = true; });
    body.addEventListener("pointerleave", () => { this.hovered = false; });
    if (onSelect) this.listen(onSelect);
  }

  /** @param {(zxid: string) => void} onSelect */
  listen(onSelect) {
    const zxidOf = (/** @type {EventTarget | null} */ target) =>
      target instanceof Element ? target.closest("tr")?.getAttribute("data-zxid") : null;
    this.body.addEventListener("click", (event) => {
      const zxid = zxidOf(event.target);
      if (zxid) onSelect(zxid);
    });
    this.body.addEventListener("keydown", (event) => {
      const zxid = zxidOf(event.target);
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (zxid && event.key === "Enter") onSelect(zxid);
      else if (zxid && step) this.move(/** @type {Element} */ (event.target), step);
      else return;
      event.preventDefault();
    });
    // Walking the rows by keys shows each; a click does so by itself.
    this.body.addEventListener("focusin", (event) => {
      const zxid = zxidOf(event.target);
      if (zxid && event.target instanceof Element && event.target.matches(":focus-visible")) onSelect(zxid);
    });
  }

  /** @param {Element} from @param {number} step */
  move(from, step) {
    const row = from.closest("tr");
    const next = step > 0 ? row?.nextElementSibling : row?.previousElementSibling;
    if (next instanceof HTMLElement) next.focus();
  }

  /** @returns {boolean} whether the viewer is at work in the list */
  held() {
    const away = this.scroller !== null && this.scroller.scrollTop > TOP_PX;
    return this.hovered || away || this.body.querySelector(":focus-visible") !== null;
  }

  /** Show the newest after all. */
  release() {
    this.hovered = false;
    if (this.body.contains(document.activeElement)) /** @type {HTMLElement} */ (document.activeElement).blur();
    this.scroller?.scrollTo({ top: 0 });
    this.orderedAt = -Infinity;
  }

  /**
   * @param {Proposal[]} proposals newest first, those that fit the filter
   * @param {{voters: number[], leaders: Map<number, number>, epoch: number, scale: import("./scale.js").Scale, selected: string | null}} around
   * @param {boolean} anew whether the viewer asked for another list: nothing is kept standing then
   */
  update(proposals, around, anew = false) {
    clearTimeout(this.due);
    const now = performance.now();
    const held = this.rows.size > 0 && this.held();
    const early = this.rows.size > 0 && now - this.orderedAt < ORDER_MS;
    if (anew || (!held && !early)) this.reorder(proposals.slice(0, this.limit), now);
    else if (!held) this.again(ORDER_MS - (now - this.orderedAt), proposals, around);
    this.onWaiting(held && !anew ? this.waiting(proposals) : 0);
    this.fill(proposals, around);
    return this.order.length;
  }

  /** @param {Proposal[]} proposals @returns {number} how many are newer than the first row */
  waiting(proposals) {
    const top = BigInt(this.order[0] ?? 0);
    const known = proposals.findIndex((proposal) => BigInt(proposal.zxid) <= top);
    return known === -1 ? proposals.length : known;
  }

  /**
   * Order the rows when that is due, should nothing else ask for it until then.
   *
   * @param {number} ms
   * @param {Parameters<List["update"]>} asked
   */
  again(ms, ...asked) {
    clearTimeout(this.due);
    this.due = setTimeout(() => this.onReordered(this.update(...asked)), ms);
  }

  /**
   * Fill rows whose proposal was told anew, or all when what they are drawn against changed.
   *
   * @param {Proposal[]} proposals
   * @param {{voters: number[], leaders: Map<number, number>, epoch: number, scale: import("./scale.js").Scale, selected: string | null}} around
   */
  fill(proposals, around) {
    const against = `${around.voters} ${[...around.leaders]} ${around.epoch} ${around.scale.top} ${around.selected}`;
    if (against !== this.filledFor) this.filled.clear();
    this.filledFor = against;
    for (const proposal of proposals) {
      const row = this.rows.get(proposal.zxid);
      if (!row || this.filled.get(proposal.zxid) === proposal) continue;
      const lanes = lanesOf(proposal, around.voters, around.leaders.get(proposal.epoch) ?? null);
      fillRow(row, proposal, { ...around, lanes });
      this.filled.set(proposal.zxid, proposal);
    }
  }

  /** @param {Proposal[]} newest @param {number} now */
  reorder(newest, now) {
    this.orderedAt = now;
    this.order = newest.map((proposal) => proposal.zxid);
    const wanted = new Set(this.order);
    for (const [zxid, row] of this.rows) {
      if (wanted.has(zxid)) continue;
      row.remove();
      this.rows.delete(zxid);
      this.filled.delete(zxid);
    }
    let before = this.body.firstElementChild;
    for (const zxid of this.order) {
      let row = this.rows.get(zxid);
      if (!row) this.rows.set(zxid, (row = makeRow(zxid)));
      if (row === before) before = before.nextElementSibling;
      else this.body.insertBefore(row, before);
    }
    const first = this.body.firstElementChild;
    for (const row of this.rows.values()) row.tabIndex = row === first ? 0 : -1;
  }
}
