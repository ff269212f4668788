/** Operations and error codes in words (the codes are ZooKeeper's, see `ensemble/errors.py`). */

import { sessionText, visible } from "./format.js";

/** @type {Record<string, string>} */
const ERRORS = {
  "-1": "system error", "-2": "runtime inconsistency", "-3": "data inconsistency", "-4": "connection loss", "-5": "marshalling error",
  "-6": "unimplemented", "-7": "operation timeout", "-8": "bad arguments", "-12": "unknown session", "-13": "new config without quorum",
  "-14": "reconfig in progress", "-100": "API error", "-101": "no node", "-102": "not permitted", "-103": "bad version",
  "-108": "ephemerals have no children", "-110": "node exists", "-111": "not empty", "-112": "session expired", "-113": "invalid callback",
  "-114": "invalid ACL", "-115": "authentication failed", "-118": "session moved", "-119": "not read-only", "-120": "ephemeral on local session",
  "-121": "no watcher", "-122": "request timeout", "-123": "reconfig disabled", "-124": "authentication required", "-125": "quota exceeded",
  "-127": "throttled",
};

/** @param {number | null} code @returns {string} nothing when it went well, or is not known yet */
export function errorText(code) {
  return code ? ERRORS[String(code)] ?? `error ${code}` : "";
}

/** @typedef {Record<string, any>} Proposal */

/** @param {Proposal} proposal @returns {string} what it is about: a path, or else a session */
export function subject(proposal) {
  if (proposal.path !== null) return visible(proposal.path);
  if (proposal.op === "createSession" || proposal.op === "closeSession") return proposal.session;
  return proposal.op === "multi" ? "several znodes" : "";
}

/** @param {Proposal} proposal @returns {string} `0x…7f05 @ s2` */
export function sender(proposal) {
  return [sessionText(proposal.session), proposal.server === null ? "" : `@ s${proposal.server}`].filter(Boolean).join(" ");
}

/** @param {Proposal} proposal @returns {number | null} ms from proposed to committed */
export function latency(proposal) {
  return proposal.committed === null || proposal.proposed === null ? null : proposal.committed - proposal.proposed;
}

/** @param {Proposal} proposal @returns {boolean} whether its quorum is still awaited */
export function isOpen(proposal) {
  return proposal.committed === null && !Object.keys(proposal.applied).length && proposal.replied === null;
}
