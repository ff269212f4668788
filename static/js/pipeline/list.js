/**
 * The rows, newest first, bounded. Under the pointer, with the focus inside, or scrolled away from the top the list stands
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
   * @param {{limit: number, scroller?: Element | null, onSelect?: (zxid: string) => void, onWaiting?: (count: number) => void}} options
   */
  constructor(body, { limit, scroller = null, onSelect, onWaiting }) {
    this.body = body;
    this.limit = limit;
    this.scroller = scroller;
    this.onWaiting = onWaiting ?? (() => {});
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
    return this.hovered || away || this.body.contains(document.activeElement);
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
    const now = performance.now();
    const newest = proposals.slice(0, this.limit);
    const still = !anew && this.rows.size > 0 && (this.held() || now - this.orderedAt < ORDER_MS);
    if (!still) this.reorder(newest, now);
    const shown = new Set(this.order);
    const last = this.order.length ? this.order[0] : null;
    const waiting = last === null ? 0 : proposals.findIndex((proposal) => proposal.zxid === last);
    this.onWaiting(this.held() && waiting > 0 ? waiting : 0);
    for (const proposal of proposals) {
      if (!shown.has(proposal.zxid)) continue;
      const lanes = lanesOf(proposal, around.voters, around.leaders.get(proposal.epoch) ?? null);
      fillRow(/** @type {HTMLElement} */ (this.rows.get(proposal.zxid)), proposal, { ...around, lanes });
    }
    return this.order.length;
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
