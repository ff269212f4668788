/** One proposal in full: who asked for what, its waterfall with names, and every hop with its time. */

import { bytesText, hue, msText, visible, zxidHex } from "../stage/format.js";
import { html, keep, set, setText, svg } from "../stage/dom.js";
import { acks, endOf, errorText, hops, standing } from "./facts.js";
import { stepFor } from "./scale.js";
import { fsyncBegan, lanesOf } from "./waterfall.js";

/** @typedef {import("./types.js").Proposal} Proposal */

const LANE = 20;
const TOP = 20;
const LEFT = 30;
const WIDTH = 330;
const RIGHT = 10;

export class Detail {
  /** @param {HTMLElement} root the aside */
  constructor(root) {
    this.root = root;
    this.empty = /** @type {HTMLElement} */ (root.querySelector("[data-empty]"));
    this.gone = /** @type {HTMLElement} */ (root.querySelector("[data-gone]"));
    this.full = /** @type {HTMLElement} */ (root.querySelector("[data-full]"));
    const at = (/** @type {string} */ name) => /** @type {HTMLElement} */ (root.querySelector(`[data-at="${name}"]`));
    this.at = { epoch: at("epoch"), counter: at("counter"), hex: at("hex"), op: at("op"), path: at("path"), session: at("session"), server: at("server"), size: at("size"), result: at("result"), fall: at("fall"), hops: at("hops"), note: at("note") };
    this.told = "";
  }

  /**
   * @param {Proposal | null} proposal
   * @param {{voters: number[], leaders: Map<number, number>, epoch: number, estimated: boolean, asked: string | null}} around
   */
  update(proposal, around) {
    const gone = proposal === null && around.asked !== null;
    this.empty.hidden = proposal !== null || gone;
    this.gone.hidden = !gone;
    this.full.hidden = proposal === null;
    if (!proposal) return;
    const told = JSON.stringify([proposal, around.epoch]);
    if (told === this.told) return;
    this.told = told;
    const leader = around.leaders.get(proposal.epoch) ?? null;
    this.fillFacts(proposal, around);
    this.fillFall(proposal, lanesOf(proposal, around.voters, leader));
    this.fillHops(proposal, leader);
  }

  /** @param {Proposal} proposal @param {{epoch: number, estimated: boolean}} around */
  fillFacts(proposal, around) {
    const { at } = this;
    setText(at.epoch, String(proposal.epoch));
    set(at.epoch, { class: `epoch ${hue(proposal.epoch)}` });
    setText(at.counter, `${proposal.epoch}:${proposal.counter}`);
    setText(at.hex, zxidHex(proposal.zxid));
    setText(at.op, proposal.op ?? "not told");
    link(at.path, proposal.path?.startsWith("/") ? `/tree/?path=${encodeURIComponent(proposal.path)}` : null, proposal.path ? visible(proposal.path) : "–");
    link(at.session, proposal.session ? `/sessions/?session=${proposal.session}` : null, proposal.session ?? "–");
    setText(at.server, proposal.server === null ? "not traced" : `s${proposal.server}`);
    setText(at.size, bytesText(proposal.size));
    setText(at.result, resultOf(proposal, around.epoch));
    setText(at.note, around.estimated ? "The servers' clocks are not this machine's: times between servers are estimates." : "Times are from when it was proposed, on this machine's own clock.");
  }

  /** @param {Proposal} proposal @param {number[]} lanes */
  fillFall(proposal, lanes) {
    const begin = Math.min(0, proposal.submitted ?? 0);
    const top = stepFor(Math.max(endOf(proposal), 0.1));
    const px = (/** @type {number} */ ms) => LEFT + ((ms - begin) / (top - begin)) * (WIDTH - LEFT - RIGHT);
    const height = TOP + LANE * lanes.length + 6;
    const root = this.at.fall;
    set(root, { viewBox: `0 0 ${WIDTH} ${height}`, height, "aria-hidden": "true" });
    if (root.childElementCount === 0) {
      for (const name of ["axis", "lanes"]) svg("g", { class: name }, root);
      svg("path", { class: "quorum" }, root);
    }
    const [axis, group, quorum] = root.children;
    const marks = keep(axis, 3, () => { const mark = svg("g"); svg("path", {}, mark); svg("text", { y: 10 }, mark); return mark; });
    [0, top / 2, top].forEach((ms, index) => {
      const [tick, text] = marks[index].children;
      set(tick, { d: `M${px(ms).toFixed(1)} 14V${height - 4}` });
      set(text, { x: px(ms).toFixed(1), "text-anchor": index === 2 ? "end" : index ? "middle" : "start" });
      setText(text, index ? msText(ms).replace(".0 ", " ") : "0");
    });
    const elements = keep(group, lanes.length, makeNamedLane);
    lanes.forEach((sid, index) => fillNamedLane(elements[index], proposal, sid, index === 0, TOP + LANE * index + LANE / 2, px));
    set(quorum, { d: proposal.committed === null ? "M0 0" : `M${px(proposal.committed).toFixed(1)} 15V${height - 3}` });
  }

  /** @param {Proposal} proposal @param {number | null} leader */
  fillHops(proposal, leader) {
    const list = hops(proposal);
    const rows = keep(this.at.hops, list.length, () =>
      html("tr", {}, html("td", { class: "mono num" }), html("td", { class: "mono" }), html("td"), html("td", { class: "faint" })));
    list.forEach((hop, index) => {
      const [time, sid, what, detail] = rows[index].children;
      set(rows[index], { class: `hop-${hop.what}` });
      setText(time, hop.at.toFixed(2).replace("-", "−"));
      const where = hop.sid ?? leader;
      setText(sid, where === null ? "" : `s${where}`);
      setText(what, hop.what);
      setText(detail, hop.detail);
    });
  }
}

function makeNamedLane() {
  const lane = svg("g");
  svg("text", { x: 0 }, lane);
  svg("path", { class: "way" }, lane);
  svg("rect", { rx: 3, height: 8 }, lane);
  svg("path", { class: "ack" }, lane);
  svg("circle", { r: 3.6 }, lane);
  return lane;
}

/**
 * @param {Element} lane
 * @param {Proposal} proposal
 * @param {number} sid
 * @param {boolean} first
 * @param {number} y
 * @param {(ms: number) => number} px
 */
function fillNamedLane(lane, proposal, sid, first, y, px) {
  const [name, way, bar, ack, dot] = lane.children;
  const logged = proposal.logged[sid];
  const acked = proposal.acked[sid];
  const applied = proposal.applied[sid];
  const begin = fsyncBegan(proposal, sid);
  set(lane, { class: `lane${first ? " leader" : ""}${logged === undefined ? " none" : acked === undefined ? " unacked" : ""}` });
  set(name, { y: y + 4 });
  setText(name, `s${sid}`);
  set(way, { d: logged === undefined ? "M0 0" : `M${px(0).toFixed(1)} ${y}H${px(begin).toFixed(1)}` });
  set(bar, { x: px(begin).toFixed(1), y: y - 4, width: logged === undefined ? 0 : Math.max(3, px(logged) - px(begin)).toFixed(1) });
  set(ack, { d: acked === undefined ? "M0 0" : `M${px(acked).toFixed(1)} ${y - 6}v12` });
  set(dot, { cx: px(applied ?? 0).toFixed(1), cy: y, r: applied === undefined ? 0 : 3.6 });
}

/** @param {Proposal} proposal @param {number} epoch */
function resultOf(proposal, epoch) {
  const counted = `${acks(proposal)} of ${proposal.voters} acked, ${proposal.quorum} are a quorum`;
  switch (standing(proposal, epoch)) {
    case "refused":
      return `refused: ${errorText(proposal.error)}; it went through the log and changed nothing`;
    case "open":
      return `waits: ${counted}`;
    case "over":
      return `not seen to be committed when its epoch ended: ${counted}. The next leader's log decides`;
    default:
      return `committed ${proposal.committed === null ? "" : `after ${msText(proposal.committed)}`}: ${counted}`;
  }
}

/** @param {HTMLElement} cell @param {string | null} href @param {string} text */
function link(cell, href, text) {
  const anchor = cell.querySelector("a") ?? cell.appendChild(document.createElement("a"));
  set(anchor, { href });
  setText(anchor, text);
}
