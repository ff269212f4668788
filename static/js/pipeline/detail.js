/** One proposal with every hop that was seen, in the order of time. */

import { html, setText } from "../stage/dom.js";
import { bytesText, hue, msText, zxidHex } from "../stage/format.js";
import { errorText, latency, subject } from "./words.js";

/** @typedef {import("./proposals.js").Proposal} Proposal */
/** @typedef {{at: number | null, where: string, what: string}} Hop */

export class Detail {
  /** @param {HTMLElement} root */
  constructor(root) {
    const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (root.querySelector(`[data-part="${name}"]`));
    this.root = root;
    this.none = part("none");
    this.box = part("box");
    this.name = part("name");
    this.op = part("op");
    this.facts = part("facts");
    this.hops = part("hops");
    this.missing = part("missing");
    /** @type {Proposal | null} */
    this.shown = null;
  }

  /** @param {Proposal | null} proposal @param {number[]} sids */
  show(proposal, sids) {
    this.none.hidden = proposal !== null;
    this.box.hidden = proposal === null;
    if (!proposal || proposal === this.shown) return;
    this.shown = proposal;
    this.name.replaceChildren(html("span", { class: `epoch ${hue(proposal.epoch)}` }, String(proposal.epoch)), ` ${proposal.counter}`);
    setText(this.op, proposal.op ?? "");
    this.facts.replaceChildren(...factsOf(proposal).flatMap(([label, value]) => [html("dt", {}, label), html("dd", { class: "mono" }, value)]));
    let before = /** @type {number | null} */ (null);
    this.hops.replaceChildren(...hopsOf(proposal).map((hop) => {
      const step = before === null || hop.at === null ? "" : `+${msText(hop.at - before)}`;
      before = hop.at;
      return html("tr", {}, html("td", { class: "mono num" }, msText(hop.at)), html("td", { class: "mono" }, hop.where), html("td", {}, hop.what), html("td", { class: "mono faint num" }, step));
    }));
    const said = missingOf(proposal, sids);
    setText(this.missing, said);
    this.missing.hidden = !said;
  }
}

/** @param {Proposal} proposal @returns {[string, string][]} */
function factsOf(proposal) {
  /** @type {[string, string][]} */
  const facts = [["zxid", `${proposal.text} ${zxidHex(proposal.zxid)}`]];
  if (subject(proposal)) facts.push([proposal.path === null ? "about" : "path", subject(proposal)]);
  if (proposal.session) facts.push(["session", proposal.session]);
  if (proposal.server !== null) facts.push(["client at", `s${proposal.server}`]);
  if (proposal.size !== null) facts.push(["size", bytesText(proposal.size)]);
  facts.push(["committed", latency(proposal) === null ? "not yet seen" : `after ${msText(latency(proposal))}`]);
  facts.push(["quorum", proposal.quorum ? `${proposal.quorum} of ${proposal.voters}` : "–"]);
  if (proposal.error) facts.push(["outcome", `${errorText(proposal.error)} (${proposal.error})`]);
  return facts;
}

/** @param {Proposal} proposal @returns {Hop[]} */
export function hopsOf(proposal) {
  /** @type {Hop[]} */
  const hops = [];
  const add = (/** @type {number | null | undefined} */ at, /** @type {string} */ where, /** @type {string} */ what) => {
    if (at !== null && at !== undefined) hops.push({ at, where, what });
  };
  const client = proposal.server === null ? "" : `s${proposal.server}`;
  add(proposal.submitted, client, "submitted by its client");
  add(proposal.proposed, "leader", "proposed");
  for (const [sid, at] of Object.entries(proposal.logged)) {
    const fsync = proposal.fsync_us[sid];
    add(at, `s${sid}`, fsync === undefined ? "logged" : `logged, fsync ${msText(fsync / 1000)}`);
  }
  const acks = Object.entries(proposal.acked).sort((a, b) => Number(a[1]) - Number(b[1]));
  acks.forEach(([sid, at], index) => add(Number(at), "leader", `ack of s${sid}${index + 1 === proposal.quorum ? ": a quorum" : ""}`));
  add(proposal.committed, "leader", "committed");
  for (const [sid, at] of Object.entries(proposal.applied)) add(Number(at), `s${sid}`, "applied");
  add(proposal.replied, client, proposal.error ? `replied: ${errorText(proposal.error)}` : "replied to its client");
  const rank = (/** @type {Hop} */ hop) => ["submitted", "proposed", "logged", "ack", "committed", "applied", "replied"].findIndex((word) => hop.what.startsWith(word));
  return hops.sort((a, b) => Number(a.at) - Number(b.at) || rank(a) - rank(b));
}

/** @param {Proposal} proposal @param {number[]} sids @returns {string} */
function missingOf(proposal, sids) {
  const absent = sids.filter((sid) => proposal.logged[sid] === undefined).map((sid) => `s${sid}`);
  const said = absent.length ? `Not seen to be logged on ${absent.join(", ")}.` : "";
  return proposal.server === null ? `${said} Its client's server is known once it replies.`.trim() : said;
}
