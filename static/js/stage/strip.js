/**
 * The strip below the stage: the last proposals as rows, newest first. Rows change in place; none moves while the pointer or the focus is in the table:
 * what is new then waits behind a button that says how much it is.
 */

import { atMostEvery, html, set, setText } from "./dom.js";
import { count, hue, msText, zxidHex } from "./format.js";
import { drawWaterfall, newWaterfall, scaleFor } from "./waterfall.js";
import { errorText, isOpen, latency, sender, subject } from "./words.js";

/** @typedef {import("./proposals.js").Proposal} Proposal */
/** @typedef {import("./proposals.js").Proposals} Proposals */
/** @typedef {{row: HTMLElement, drawn: Proposal | null, cells: HTMLElement[], picture: Element}} Row */
/** @typedef {{limit: number, everyMs: number, onPick: (zxid: string) => void}} Options */

const WIDTH = 212;
const RESCALE_MS = 3000;

export class Strip {
  /** @param {HTMLElement} root @param {Proposals} proposals @param {Options} options */
  constructor(root, proposals, options) {
    this.root = root;
    this.proposals = proposals;
    this.options = options;
    this.body = /** @type {HTMLElement} */ (root.querySelector("tbody"));
    this.more = /** @type {HTMLButtonElement} */ (root.querySelector("[data-part=more]"));
    this.nothing = /** @type {HTMLElement} */ (root.querySelector("[data-part=nothing]"));
    /** @type {Map<string, Row>} */
    this.rows = new Map();
    /** @type {string[]} */
    this.shown = [];
    /** @type {number[]} */
    this.sids = [];
    this.hovered = false;
    this.scaleMs = 5;
    this.scaledAt = -Infinity;
    this.draw = atMostEvery(options.everyMs, () => this.render());
    this.listen();
  }

  listen() {
    const box = /** @type {HTMLElement} */ (this.body.parentElement);
    box.addEventListener("pointerenter", (event) => this.hold(event.pointerType !== "touch"));
    box.addEventListener("pointerleave", () => this.hold(false));
    this.body.addEventListener("focusout", () => setTimeout(() => this.draw()));
    this.more.addEventListener("click", () => {
      this.render(true);
      /** @type {HTMLElement | null} */ (this.body.querySelector("tr"))?.focus();
    });
    this.body.addEventListener("click", (event) => this.pick(event.target));
    this.body.addEventListener("keydown", (event) => this.onKey(event));
  }

  /** @param {boolean} hovered */
  hold(hovered) {
    this.hovered = hovered;
    if (!hovered) this.draw();
  }

  /** @returns {boolean} whether rows must stay where they are */
  held() {
    return this.hovered || this.body.contains(document.activeElement);
  }

  /** @param {Record<string, any>[]} servers */
  setServers(servers) {
    const leader = servers.find((server) => server.role === "leading")?.sid;
    const sids = servers.map((server) => server.sid).sort((a, b) => Number(b === leader) - Number(a === leader) || a - b);
    if (sids.join() === this.sids.join()) return;
    this.sids = sids;
    for (const row of this.rows.values()) row.drawn = null;
    this.draw();
  }

  /** @param {boolean} [anyway] move rows although they are held */
  render(anyway = false) {
    const wanted = this.wanted();
    const known = new Set(this.shown);
    const waiting = this.held() && !anyway && this.shown.length ? wanted.filter((zxid) => !known.has(zxid)).length : 0;
    if (!waiting) this.arrange(wanted);
    this.more.hidden = !waiting;
    setText(this.more, `+${count(waiting)}${waiting >= this.options.limit ? " or more" : ""} new`);
    this.rescale();
    for (const [zxid, row] of this.rows) this.fill(row, zxid);
    const empty = !this.shown.length;
    this.nothing.hidden = !empty;
    set(this.root, { "data-rows": this.shown.length });
  }

  /** @returns {string[]} */
  wanted() {
    return this.proposals.order.slice(0, this.options.limit);
  }

  /** @param {string[]} wanted */
  arrange(wanted) {
    const keepers = new Set(wanted);
    for (const [zxid, { row }] of this.rows) {
      if (keepers.has(zxid)) continue;
      row.remove();
      this.rows.delete(zxid);
    }
    /** @type {Element | null} */
    let next = this.body.firstElementChild;
    for (const zxid of wanted) {
      const { row } = this.rows.get(zxid) ?? this.newRow(zxid);
      if (row === next) next = next.nextElementSibling;
      else this.body.insertBefore(row, next);
    }
    this.shown = wanted;
  }

  /** @param {string} zxid */
  newRow(zxid) {
    const picture = newWaterfall();
    const classes = ["mono zxid", "op", "mono path", "mono faint from", "fall", "end"];
    const cells = classes.map((name) => html("td", { class: name }));
    cells[4].append(picture);
    const row = html("tr", { tabindex: 0, "data-row": "", "data-zxid": zxid }, ...cells);
    const made = { row, cells, picture, drawn: null };
    this.rows.set(zxid, made);
    return made;
  }

  /** @param {Row} row @param {string} zxid */
  fill(row, zxid) {
    const proposal = this.proposals.byZxid.get(zxid);
    if (!proposal || row.drawn === proposal) return;
    const [id, op, path, from, , end] = row.cells;
    if (!id.childElementCount) {
      id.append(html("span", { class: `epoch ${hue(proposal.epoch)}` }, String(proposal.epoch)), ` ${proposal.counter}`);
      id.title = `${proposal.text} ${zxidHex(zxid)}`;
    }
    setText(op, proposal.op ?? "…");
    setText(path, subject(proposal));
    path.title = path.textContent ?? "";
    setText(from, sender(proposal));
    from.title = proposal.session ?? "";
    drawWaterfall(row.picture, proposal, this.sids, { ms: this.scaleMs, width: WIDTH });
    showEnd(end, proposal);
    row.drawn = proposal;
  }

  rescale() {
    const now = performance.now();
    if (now - this.scaledAt < RESCALE_MS) return;
    const proposals = this.shown.map((zxid) => this.proposals.byZxid.get(zxid)).filter((one) => one !== undefined);
    const ms = scaleFor(/** @type {Proposal[]} */ (proposals), this.scaleMs);
    this.scaledAt = now;
    if (ms === this.scaleMs) return;
    this.scaleMs = ms;
    for (const row of this.rows.values()) row.drawn = null;
  }

  /** @param {EventTarget | null} target */
  pick(target) {
    const zxid = target instanceof Element ? target.closest("tr")?.getAttribute("data-zxid") : null;
    if (zxid) this.options.onPick(zxid);
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const row = event.target instanceof Element ? event.target.closest("tr") : null;
    if (event.key === "Enter") this.pick(event.target);
    else if (event.key === "ArrowDown") /** @type {HTMLElement | null} */ (row?.nextElementSibling)?.focus();
    else if (event.key === "ArrowUp") /** @type {HTMLElement | null} */ (row?.previousElementSibling)?.focus();
    else return;
    event.preventDefault();
  }

}

/** @param {HTMLElement} cell @param {Proposal} proposal */
function showEnd(cell, proposal) {
  const error = errorText(proposal.error);
  const acks = Object.keys(proposal.acked).length;
  const open = isOpen(proposal);
  const text = open ? `${acks} of ${proposal.voters || "?"} acked` : error || msText(latency(proposal));
  const kind = open ? "pill warn" : error ? "pill bad" : "mono dim";
  const mark = `${kind} ${text}`;
  if (cell.dataset.mark === mark) return;
  cell.dataset.mark = mark;
  cell.replaceChildren(html("span", { class: kind }, ...(open || error ? [html("i", { "aria-hidden": "true" })] : []), text));
}
