/** The strip below the stage: the last few proposals, as the Pipeline place draws them; a row leads there. */

import { scaledEnd } from "../pipeline/facts.js";
import { List } from "../pipeline/list.js";
import { Proposals } from "../pipeline/proposals.js";
import { Scale } from "../pipeline/scale.js";
import { atMostEvery, setText } from "./dom.js";
import { count, msText } from "./format.js";

const ROWS = 6;
/** The scale is that of more rows than are shown, so that it stays calm. */
const SCALED_BY = 40;
const DRAW_MS = 250;

export class Strip {
  /** @param {HTMLElement} root */
  constructor(root) {
    const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (root.querySelector(`[data-part="${name}"]`));
    this.table = /** @type {HTMLElement} */ (root.querySelector("table"));
    this.body = /** @type {HTMLElement} */ (root.querySelector("tbody"));
    this.nothing = part("nothing");
    this.more = part("more");
    this.times = part("times");
    this.proposals = new Proposals();
    this.scale = new Scale();
    this.list = new List(this.body, { limit: ROWS, onWaiting: (waiting) => this.showWaiting(waiting) });
    this.draw = atMostEvery(DRAW_MS, () => this.show());
    this.body.addEventListener("pointerleave", () => this.draw());
    this.body.addEventListener("click", (event) => this.open(event.target));
    this.body.addEventListener("keydown", (event) => this.onKey(event));
    this.more.addEventListener("click", () => {
      this.list.release();
      this.show();
    });
  }

  /** @param {any} frame `snapshot`, `servers` or `proposals` */
  take(frame) {
    if (frame.type === "snapshot") this.proposals.onSnapshot(frame);
    else if (frame.type === "servers") this.proposals.onServers(frame);
    else this.proposals.onProposals(frame);
    this.draw();
  }

  show() {
    const { proposals } = this;
    const newest = proposals.newest();
    if (!this.list.held()) this.scale.fit(newest.slice(0, SCALED_BY).map(scaledEnd));
    const around = { voters: proposals.voters(), leaders: proposals.leaders, epoch: proposals.epoch(), estimated: proposals.estimated() };
    this.list.update(newest, { ...around, scale: this.scale, selected: null });
    this.table.hidden = !newest.length;
    this.nothing.hidden = newest.length > 0;
    setText(this.times, proposals.p50 === null ? "" : `p50 ${msText(proposals.p50)} · p99 ${msText(proposals.p99)}`);
  }

  /** @param {number} waiting */
  showWaiting(waiting) {
    this.more.hidden = !waiting;
    if (waiting) setText(this.more, `+${count(waiting)} new`);
  }

  /** @param {EventTarget | null} target */
  open(target) {
    const zxid = target instanceof Element ? target.closest("tr")?.getAttribute("data-zxid") : null;
    if (zxid) location.assign(`/pipeline/?zxid=${zxid}`);
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const row = event.target instanceof Element ? event.target.closest("tr") : null;
    const next = { ArrowDown: row?.nextElementSibling, ArrowUp: row?.previousElementSibling }[event.key];
    if (event.key === "Enter") this.open(row);
    else if (next instanceof HTMLElement) next.focus();
    else return;
    event.preventDefault();
  }
}
