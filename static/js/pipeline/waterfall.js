/**
 * A proposal's waterfall: one lane a server, the leader's first. A thin line leads from the proposal to the server's
 * fsync, the bar is the fsync, the upright is the quorum, dots are where it was applied. What was not traced is not drawn.
 */

import { keep, set, svg } from "../stage/dom.js";
import { leaderOf, quorumAt } from "./facts.js";

/** @typedef {import("./types.js").Proposal} Proposal */
/** @typedef {import("./scale.js").Scale} Scale */

export const WIDTH = 216;
export const HEIGHT = 24;
const LEFT = 3;
const RIGHT = 5;

/**
 * @param {Proposal} proposal
 * @param {number[]} voters
 * @param {number | null} leader who is known to have led its epoch
 * @returns {number[]} the lanes, the same for every proposal of an epoch
 */
export function lanesOf(proposal, voters, leader) {
  const seen = [...Object.keys(proposal.logged), ...Object.keys(proposal.acked), ...Object.keys(proposal.applied)].map(Number);
  const sids = [...new Set([...voters, ...seen])].sort((a, b) => a - b);
  const first = leader ?? leaderOf(proposal);
  return first === null || !sids.includes(first) ? sids : [first, ...sids.filter((sid) => sid !== first)];
}

/** @returns {SVGElement} an empty waterfall */
export function makeWaterfall() {
  const root = svg("svg", { class: "fall", width: WIDTH, height: HEIGHT, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  svg("g", { class: "lanes" }, root);
  svg("path", { class: "quorum" }, root);
  svg("path", { class: "beyond", d: `M${WIDTH - 4} 8l4 4-4 4` }, root);
  return root;
}

/**
 * @param {Element} root
 * @param {Proposal} proposal
 * @param {number[]} lanes
 * @param {Scale} scale
 */
export function fillWaterfall(root, proposal, lanes, scale) {
  const [group, quorum, beyond] = root.children;
  const pitch = HEIGHT / Math.max(3, lanes.length);
  const px = (/** @type {number} */ ms) => LEFT + scale.px(ms, WIDTH - LEFT - RIGHT);
  const elements = keep(group, lanes.length, makeLane);
  lanes.forEach((sid, index) => fillLane(elements[index], proposal, sid, index === 0, pitch * (index + 0.5), pitch, px));
  const at = quorumAt(proposal);
  set(quorum, { d: at === null ? "M0 0" : `M${px(at).toFixed(1)} 0V${HEIGHT}` });
  const late = Math.max(0, ...Object.values(proposal.logged), ...Object.values(proposal.applied)) > scale.top;
  set(beyond, { "data-none": late ? null : "" });
}

function makeLane() {
  const lane = svg("g");
  svg("path", { class: "way" }, lane);
  svg("rect", { rx: 2 }, lane);
  svg("circle", {}, lane);
  return lane;
}

/**
 * @param {Element} lane
 * @param {Proposal} proposal
 * @param {number} sid
 * @param {boolean} first
 * @param {number} y
 * @param {number} pitch
 * @param {(ms: number) => number} px
 */
function fillLane(lane, proposal, sid, first, y, pitch, px) {
  const [way, bar, dot] = lane.children;
  const logged = proposal.logged[sid];
  const acked = proposal.acked[sid];
  const applied = proposal.applied[sid];
  const begin = fsyncBegan(proposal, sid);
  const thick = Math.max(2, pitch - 3);
  const late = acked !== undefined && proposal.committed !== null && acked > proposal.committed;
  const tone = logged === undefined ? " none" : acked === undefined ? " unacked" : late ? " late" : "";
  set(lane, { class: `lane${first ? " leader" : ""}${tone}` });
  set(way, { d: logged === undefined ? "M0 0" : `M${LEFT} ${y.toFixed(1)}H${px(begin).toFixed(1)}` });
  const length = logged === undefined ? 0 : Math.max(3, px(logged) - px(begin));
  set(bar, { x: px(begin).toFixed(1), y: (y - thick / 2).toFixed(1), height: thick.toFixed(1), width: length.toFixed(1) });
  set(dot, { cx: px(applied ?? 0).toFixed(1), cy: y.toFixed(1), r: applied === undefined ? 0 : Math.min(3, thick / 2 + 0.5).toFixed(1) });
}

/**
 * When a server's disk was asked: the fsync's length before it was durable, but not before it was proposed.
 *
 * @param {Proposal} proposal
 * @param {number} sid
 */
export function fsyncBegan(proposal, sid) {
  const logged = proposal.logged[sid];
  return logged === undefined ? 0 : Math.max(0, logged - (proposal.fsync_us[sid] ?? 0) / 1000);
}

/**
 * The scale written once, over the column.
 *
 * @param {Element} root an `svg` of the waterfall's width
 * @param {Scale} scale
 */
export function fillAxis(root, scale) {
  const marks = [0, 0.5, 1];
  const elements = keep(root, marks.length, () => {
    const mark = svg("g");
    svg("path", {}, mark);
    svg("text", { y: 10 }, mark);
    return mark;
  });
  marks.forEach((part, index) => {
    const x = LEFT + part * (WIDTH - LEFT - RIGHT);
    const [tick, text] = elements[index].children;
    set(tick, { d: `M${x} 12v3` });
    set(text, { x, "text-anchor": part === 0 ? "start" : part === 1 ? "end" : "middle" });
    const value = part * scale.top;
    text.textContent = part === 0 ? "0" : value >= 1000 ? `${value / 1000} s` : `${value} ms`;
  });
}
