/**
 * One proposal's way to its quorum, as a small picture on a time axis that all rows share.
 *
 * A bar per server: thin from the proposal until its disk was asked, thick while the disk works, ending when it is
 * durable there. The upright line is the quorum (commit), the dot the first server that applied it where its client
 * is, the tick on the right the reply. Left of zero: the way from the client's server to the leader.
 */

import { keep, set, svg } from "./dom.js";
import { hue } from "./format.js";

/** @typedef {Record<string, any>} Proposal */
/** @typedef {{ms: number, width: number}} Scale */

const STEPS_MS = [2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];
const ZERO = 24;
const END = 10;
const LANE = 7;
const BAR = 5;

/** @param {number} servers @returns {number} pixels */
function heightOf(servers) {
  return Math.max(24, 3 + LANE * servers);
}

/**
 * Choose the axis for these proposals: one a few outliers do not flatten, and one that does not change at every row.
 *
 * @param {Proposal[]} proposals
 * @param {number} before milliseconds
 */
export function scaleFor(proposals, before) {
  const ends = proposals.map(endOf).filter((end) => end > 0).sort((a, b) => a - b);
  if (!ends.length) return before || STEPS_MS[1];
  const most = ends[Math.floor((ends.length - 1) * 0.85)];
  const wanted = STEPS_MS.find((step) => step >= most) ?? STEPS_MS[STEPS_MS.length - 1];
  return before > wanted && most > before * 0.3 ? before : wanted;
}

/** @param {Proposal} proposal @returns {number} when its last stage was, ms */
function endOf(proposal) {
  return Math.max(0, ...Object.values(proposal.logged), proposal.committed ?? 0, ...Object.values(proposal.applied), proposal.replied ?? 0);
}

export function newWaterfall() {
  const picture = svg("svg", { class: "waterfall", "aria-hidden": "true" });
  svg("path", { class: "zero" }, picture);
  svg("path", { class: "submitted" }, picture);
  svg("g", {}, picture);
  svg("path", { class: "quorumline" }, picture);
  svg("circle", { class: "appliedat", r: 3.6 }, picture);
  svg("path", { class: "repliedat" }, picture);
  return picture;
}

/**
 * @param {Element} picture
 * @param {Proposal} proposal
 * @param {number[]} sids in the order of the lanes
 * @param {Scale} scale
 */
export function drawWaterfall(picture, proposal, sids, scale) {
  const height = heightOf(sids.length);
  const room = scale.width - ZERO - END;
  const x = (/** @type {number} */ ms) => Math.max(2, Math.min(scale.width - 4, ZERO + (ms * room) / scale.ms));
  set(picture, { width: scale.width, height, viewBox: `0 0 ${scale.width} ${height}` });
  const [zero, submitted, lanes, quorum, applied, replied] = picture.children;
  set(zero, { d: `M${ZERO} 1V${height - 1}` });
  set(submitted, { d: proposal.submitted === null ? "" : `M${x(proposal.submitted).toFixed(1)} ${height / 2}H${ZERO}m-3 -2.5l3 2.5l-3 2.5` });
  const top = (height - LANE * sids.length + LANE - BAR) / 2;
  const pairs = keep(lanes, sids.length, newLane);
  sids.forEach((sid, index) => drawLane(pairs[index], proposal, sid, top + index * LANE, x));
  const committed = proposal.committed;
  set(quorum, { d: committed === null ? "" : `M${x(committed).toFixed(1)} 0V${height}` });
  const at = proposal.applied[proposal.server] ?? Math.min(...Object.values(proposal.applied));
  const isApplied = Number.isFinite(at);
  set(applied, { class: `appliedat${isApplied ? "" : " none"}${proposal.error ? " failed" : ""}`, cx: isApplied ? x(at).toFixed(1) : 0, cy: height / 2 });
  set(replied, { d: proposal.replied === null ? "" : `M${(x(proposal.replied) + 3).toFixed(1)} ${height / 2 - 5}v10` });
}

/** @param {Element} lane @param {Proposal} proposal @param {number} sid @param {number} y @param {(ms: number) => number} x */
function drawLane(lane, proposal, sid, y, x) {
  const [way, bar] = lane.children;
  const logged = proposal.logged[sid];
  if (logged === undefined) {
    set(lane, { class: "lane none" });
    return;
  }
  const asked = logged - (proposal.fsync_us[sid] ?? 0) / 1000;
  const late = proposal.committed !== null && logged > proposal.committed;
  const leads = proposal.acked[sid] !== undefined && firstOf(proposal.acked) === sid;
  set(lane, { class: `lane ${leads ? `lead ${hue(proposal.epoch)}` : "follows"} ${proposal.committed === null ? "open" : late ? "late" : "counted"}` });
  const from = x(Math.max(0, asked));
  set(way, { x: x(0).toFixed(1), y: y + 2, width: Math.max(0, from - x(0)).toFixed(1) });
  set(bar, { x: from.toFixed(1), y, width: Math.max(3, x(logged) - from).toFixed(1) });
}

/** The leader counts its own ack before any other can reach it. @param {Record<string, number>} stages */
function firstOf(stages) {
  return Number(Object.entries(stages).sort((a, b) => a[1] - b[1])[0]?.[0]);
}

function newLane() {
  const lane = svg("g");
  svg("rect", { class: "way", height: 1 }, lane);
  svg("rect", { class: "bar", height: BAR, rx: BAR / 2 }, lane);
  return lane;
}
