/** What can be said of one proposal: where it stands, what became of it, when the quorum was full. Pure. */

import { msText } from "../stage/format.js";

/** @typedef {import("./types.js").Proposal} Proposal */

/** ZooKeeper's error codes in the words of its documentation. */
const ERRORS = /** @type {Record<number, string>} */ ({
  [-1]: "system error",
  [-2]: "runtime inconsistency",
  [-3]: "data inconsistency",
  [-4]: "connection loss",
  [-5]: "marshalling error",
  [-6]: "unimplemented",
  [-7]: "timed out",
  [-8]: "bad arguments",
  [-13]: "new config, no quorum",
  [-14]: "reconfig in progress",
  [-101]: "no node",
  [-102]: "no auth",
  [-103]: "bad version",
  [-108]: "ephemerals have no children",
  [-110]: "node exists",
  [-111]: "not empty",
  [-112]: "session expired",
  [-113]: "invalid callback",
  [-114]: "invalid ACL",
  [-115]: "auth failed",
  [-118]: "session moved",
  [-119]: "not read-only",
  [-121]: "no watcher",
  [-123]: "reconfig disabled",
  [-125]: "quota exceeded",
  [-127]: "throttled",
});

/** @param {number | null} error @returns {string} empty when there was none */
export function errorText(error) {
  if (!error) return "";
  return ERRORS[error] ?? `error ${error}`;
}

/** @param {Proposal} proposal @returns {number} how many voters were counted */
export function acks(proposal) {
  return Object.keys(proposal.acked).length;
}

/**
 * @param {Proposal} proposal
 * @returns {number | null} when the last ack came that the quorum needed
 */
export function quorumAt(proposal) {
  const times = Object.values(proposal.acked).sort((a, b) => a - b);
  return times[proposal.quorum - 1] ?? proposal.committed;
}

/** @param {Proposal} proposal @returns {number} when the last thing seen of it happened */
export function endOf(proposal) {
  return Math.max(
    0,
    proposal.committed ?? 0,
    proposal.replied ?? 0,
    ...Object.values(proposal.logged),
    ...Object.values(proposal.acked),
    ...Object.values(proposal.applied),
  );
}

/** A server that was away applies what it missed when it is back: that says nothing of how long the proposal took. */
const MUCH_LATER = 4;

/** @param {Proposal} proposal @returns {number} its end, as far as the scale of all is to show it */
export function scaledEnd(proposal) {
  const end = endOf(proposal);
  return proposal.committed === null ? end : Math.min(end, MUCH_LATER * proposal.committed);
}

/**
 * Where it stands. `open` waits for its quorum; `over` belongs to an epoch that ended before it was seen to be committed
 * (recovery decides about it); `refused` went through the log like any other, and changed nothing.
 *
 * @param {Proposal} proposal
 * @param {number} epoch the newest one seen
 * @returns {"open" | "over" | "refused" | "committed"}
 */
export function standing(proposal, epoch) {
  if (proposal.error) return "refused";
  if (proposal.committed !== null || Object.keys(proposal.applied).length) return "committed";
  return proposal.epoch < epoch ? "over" : "open";
}

/**
 * @param {Proposal} proposal
 * @param {number} epoch
 * @returns {string} where it stands, for the last column and for screen readers
 */
export function standingText(proposal, epoch) {
  switch (standing(proposal, epoch)) {
    case "refused":
      return errorText(proposal.error);
    case "committed":
      return proposal.committed === null ? "applied" : msText(proposal.committed);
    case "over":
      return `epoch ended at ${acks(proposal)} of ${proposal.voters}`;
    default:
      return `${acks(proposal)} of ${proposal.voters} acked`;
  }
}

/** A leader's own ack does not travel; one that came this soon after the fsync is its own. */
const OWN_ACK_MS = 0.05;

/**
 * @param {Proposal} proposal
 * @returns {number | null} the server whose ack needed no network: the leader, when nobody tells who it was
 */
export function leaderOf(proposal) {
  const waits = Object.entries(proposal.acked)
    .filter(([sid]) => proposal.logged[sid] !== undefined)
    .map(([sid, at]) => ({ sid: Number(sid), wait: at - proposal.logged[sid] }))
    .sort((a, b) => a.wait - b.wait);
  return waits.length && waits[0].wait >= 0 && waits[0].wait < OWN_ACK_MS ? waits[0].sid : null;
}

/**
 * @param {Proposal} proposal
 * @returns {{at: number, sid: number | null, what: string, detail: string}[]} every hop, in order of time
 */
export function hops(proposal) {
  /** @type {{at: number, sid: number | null, what: string, detail: string}[]} */
  const list = [];
  const add = (/** @type {number | null} */ at, /** @type {number | null} */ sid, /** @type {string} */ what, detail = "") => {
    if (at !== null && at !== undefined) list.push({ at, sid, what, detail });
  };
  add(proposal.submitted, proposal.server, "submitted", "by its client");
  add(proposal.proposed, null, "proposed", proposal.size === null ? "" : `${proposal.size} bytes`);
  for (const [sid, at] of Object.entries(proposal.logged)) {
    const fsync = proposal.fsync_us[sid];
    add(at, Number(sid), "logged", fsync === undefined ? "" : `fsync ${msText(fsync / 1000)}`);
  }
  const order = Object.entries(proposal.acked).sort((a, b) => a[1] - b[1]);
  order.forEach(([sid, at], index) => {
    const last = index + 1 === proposal.quorum ? ", the quorum" : "";
    add(at, Number(sid), "acked", `${index + 1} of ${proposal.voters}${last}`);
  });
  add(proposal.committed, null, "committed", "by its leader");
  for (const [sid, at] of Object.entries(proposal.applied)) add(at, Number(sid), "applied");
  add(proposal.replied, proposal.server, "replied", proposal.error ? errorText(proposal.error) : "to its client");
  const rank = ["submitted", "proposed", "logged", "acked", "committed", "applied", "replied"];
  return list.sort((a, b) => a.at - b.at || rank.indexOf(a.what) - rank.indexOf(b.what));
}
