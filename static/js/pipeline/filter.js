/**
 * What a viewer asks to see. Words are sought in path, operation, session and zxid; `op:`, `path:`, `session:` and `s1`
 * narrow a word to one of them. All words must fit. Pure.
 */

import { standing } from "./facts.js";

/** @typedef {import("./types.js").Proposal} Proposal */
/** @typedef {"all" | "open" | "refused"} Which */

/**
 * @param {string} text
 * @returns {((proposal: Proposal) => boolean)[]} one test for each word
 */
export function parse(text) {
  return text.toLowerCase().split(/\s+/).filter(Boolean).map(testOf);
}

/**
 * @param {string} word
 * @returns {(proposal: Proposal) => boolean}
 */
function testOf(word) {
  const [, field, rest] = /^(op|path|session):(.*)$/.exec(word) ?? [];
  if (field === "op") return (proposal) => has(proposal.op, rest);
  if (field === "path") return (proposal) => has(proposal.path, rest);
  if (field === "session") return (proposal) => has(proposal.session, rest);
  const server = /^s(\d+)$/.exec(word);
  if (server) return (proposal) => proposal.server === Number(server[1]);
  if (word.startsWith("/")) return (proposal) => has(proposal.path, word);
  return (proposal) => [proposal.path, proposal.op, proposal.session, proposal.text].some((value) => has(value, word));
}

/** @param {string | null} value @param {string} part */
function has(value, part) {
  return value !== null && value.toLowerCase().includes(part);
}

/**
 * @param {Proposal} proposal
 * @param {((proposal: Proposal) => boolean)[]} tests
 * @param {Which} which
 * @param {number} epoch
 */
export function fits(proposal, tests, which, epoch) {
  if (which === "open" && standing(proposal, epoch) !== "open") return false;
  if (which === "refused" && standing(proposal, epoch) !== "refused") return false;
  return tests.every((test) => test(proposal));
}
