/**
 * The selected server in detail, and what can be done to it. What cannot be done now stays visible, greyed out, and
 * says why.
 */

import { html, set, setText } from "./dom.js";
import { bytesText, compareZxids, names, plural, spanText, zxidHex, zxidText } from "./format.js";
import { isAway, look, observes, word } from "./model.js";

/** @typedef {import("./model.js").Server} Server */
/** @typedef {import("./model.js").Model} Model */

const ROWS = ["address", "phase", "epochs", "last logged", "last committed", "supporters", "observers", "outstanding", "throttled", "fsync", "disk", "digest", "membership"];
/** Rows of what most servers have none of. */
const RARE = new Set(["observers", "throttled"]);
/** As the gateway has it: in which process states each action makes sense. */
const NEEDS = {
  pause: ["running"],
  resume: ["paused"],
  kill: ["starting", "running", "paused"],
  restart: ["starting", "running", "paused", "stopped", "killed", "failed"],
  start: ["stopped", "killed", "failed"],
  stop: ["starting", "running", "paused"],
};
const LABELS = { pause: "Pause", resume: "Resume", kill: "Kill", restart: "Restart", start: "Start", stop: "Stop" };

export class Inspector {
  /** @param {HTMLElement} root with the elements the template gave it */
  constructor(root) {
    const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (root.querySelector(`[data-part="${name}"]`));
    this.name = part("name");
    this.role = part("role");
    this.reason = part("reason");
    this.actions = part("actions");
    this.hint = part("hint");
    this.members = part("members");
    this.proposed = part("proposed");
    /** @type {Map<string, HTMLElement>} */
    this.rows = new Map();
    /** @type {Map<string, HTMLElement>} */
    this.labels = new Map();
    for (const label of ROWS) {
      const value = html("dd", { class: "mono", "data-row": label });
      const name = html("dt", {}, label);
      part("facts").append(name, value);
      this.labels.set(label, name);
      this.rows.set(label, value);
    }
    this.signature = "";
  }

  /** @param {Server | null} server @param {Model} model */
  show(server, model) {
    if (!server) return;
    setText(this.name, `s${server.sid}`);
    setText(this.role, word(server));
    const why = reasonOf(server);
    setText(this.reason, why);
    this.reason.hidden = !why;
    for (const [label, text] of Object.entries(facts(server, model))) {
      const value = /** @type {HTMLElement} */ (this.rows.get(label));
      const [main, aside] = Array.isArray(text) ? text : [text, ""];
      value.hidden = /** @type {HTMLElement} */ (this.labels.get(label)).hidden = RARE.has(label) && main === "–";
      if (value.dataset.text === `${main}\n${aside}`) continue;
      value.dataset.text = `${main}\n${aside}`;
      value.replaceChildren(main, ...(aside ? [" ", html("span", { class: "faint" }, aside)] : []));
    }
    this.showMembership(server.membership);
    const hint = consequence(server, model);
    setText(this.hint, hint);
    this.hint.hidden = !hint;
    this.showActions(server, model);
  }

  /** @param {any} membership as the server tells it; nothing from one that was never heard */
  showMembership(membership) {
    const details = /** @type {HTMLElement} */ (this.members.closest("details"));
    details.hidden = !membership?.members.length;
    setText(this.members, membership?.text ?? "");
    const proposed = membership?.proposed;
    this.proposed.hidden = !proposed;
    setText(this.proposed, proposed ? `Proposed, not in force yet:\n${proposed}` : "");
  }

  /** @param {Server} server @param {Model} model */
  showActions(server, model) {
    const state = model.supervised ? server.process?.state : undefined;
    const signature = `${server.sid} ${state}`;
    if (signature === this.signature) return;
    this.signature = signature;
    const had = document.activeElement instanceof HTMLElement && this.actions.contains(document.activeElement) ? document.activeElement.dataset.action : null;
    const shown = [state === "paused" ? "resume" : "pause", "restart", NEEDS.start.includes(state) ? "start" : "stop", "kill"];
    this.actions.replaceChildren(...shown.map((action) => button(server.sid, action, state)));
    /** @type {any} */ (window).htmx?.process(this.actions);
    if (had) /** @type {HTMLElement | null} */ (this.actions.querySelector(`[data-action="${had}"]`) ?? this.actions.querySelector("button"))?.focus();
  }
}

/** @param {number} sid @param {string} action @param {string | undefined} state */
function button(sid, action, state) {
  const needs = NEEDS[/** @type {keyof typeof NEEDS} */ (action)];
  const made = html("button", { type: "button", class: `btn${action === "kill" ? " danger" : ""}${action === "start" || action === "resume" ? " primary" : ""}`, "data-action": action }, LABELS[/** @type {keyof typeof LABELS} */ (action)]);
  if (state !== undefined && needs.includes(state)) {
    set(made, { "hx-get": `/dialogs/server/${sid}/${action}`, "hx-target": "#dialog" });
  } else {
    const why = state === undefined ? "This ensemble has no supervisor: its processes can be watched, not started or stopped." : `s${sid} is ${state}.`;
    // Not `disabled`: a button that cannot be focused cannot say why.
    set(made, { "aria-disabled": "true", title: why });
  }
  return made;
}

/** @param {Server} server */
function reasonOf(server) {
  const seen = look(server);
  if (seen === "down") {
    const how = server.process.reason ?? (server.process.exit_code !== null ? `exit code ${server.process.exit_code}` : "");
    return `The process is ${server.process.state}${how ? `: ${how}` : ""}. Below is what it said last.`;
  }
  if (seen === "paused") return "The process is stopped in its tracks: it holds its connections and answers nothing. Below is what it said last.";
  if (seen === "outside") return `No line of the membership in force names it: it has no vote, and elections pass it by${server.serving ? "; it follows as long as its leader lets it" : ""}. A reconfiguration that adds s${server.sid} brings it back.`;
  if (seen === "looking" && server.read_only) return "It has lost its quorum and answers reads only, to clients that agreed to that, as of what it applied last.";
  if (["unreachable", "unknown", "starting"].includes(seen)) return `It cannot be heard: ${server.reason ?? "its process is starting"}.${server.role ? " Below is what it said last." : ""}`;
  return "";
}

/** @param {Server} server @param {Model} model @returns {Record<string, string | [string, string]>} */
function facts(server, model) {
  const address = server.client_address ?? "–";
  if (server.role === undefined) return Object.fromEntries(ROWS.map((label) => [label, label === "address" ? address : "–"]));
  const supports = supporters(server, false);
  const { membership } = server;
  const votes = membership.members.filter((/** @type {any} */ member) => member.votes).length;
  const more = membership.members.length - votes;
  return {
    address,
    phase: isAway(server) ? [server.phase, "when last heard"] : [server.phase, `for ${spanText(server.phase_ms)}`],
    epochs: `accepted ${server.accepted_epoch} · current ${server.current_epoch}`,
    "last logged": [zxidText(server.zxid_logged), zxidHex(server.zxid_logged)],
    "last committed": [zxidText(server.zxid_committed), zxidHex(server.zxid_committed)],
    supporters: supports,
    observers: server.role === "leading" ? supporters(server, true) : "–",
    outstanding: server.role === "leading" ? `${plural(server.outstanding, "proposal")} · ${plural(server.pending_syncs, "sync")}` : ["–", "the leader counts them"],
    throttled: server.throttled ? [plural(server.throttled, "request"), "had waited too long"] : "–",
    fsync: `p50 ${(server.fsync_us_p50 / 1000).toFixed(1)} · p99 ${(server.fsync_us_p99 / 1000).toFixed(1)} ms`,
    disk: `${server.log_file.split("/").pop() || "no log yet"} · ${bytesText(server.log_bytes)}`,
    digest: [server.digest, `at ${zxidText(server.digest_zxid)}`],
    membership: membership.members.length
      ? [`${plural(votes, "voter")}${more ? ` · ${plural(more, "observer")}` : ""}`, membership.version === "0" ? "as configured" : `since ${zxidText(membership.version)}`]
      : ["–", "it stands alone"],
  };
}

/** @param {Server} server @param {boolean} watching those without a vote @returns {string | [string, string]} */
function supporters(server, watching) {
  if (server.role === "looking") return ["–", "it looks for a leader"];
  const votes = (/** @type {any} */ peer) => server.role !== "leading" || server.voters.includes(peer.sid);
  const peers = server.peers.filter((/** @type {any} */ peer) => peer.connected && peer.sid !== server.sid && votes(peer) !== watching);
  const said = peers.map((/** @type {any} */ peer) => `s${peer.sid}${peer.heard_ms_ago === null ? "" : `\u00a0${peer.heard_ms_ago}\u00a0ms`}`).join(" · ");
  if (server.role !== "leading") return said ? [said, "ago, its leader"] : ["–", "not connected to a leader"];
  if (watching) return said ? [said, "ago, without a vote"] : "–";
  return said ? [said, "ago"] : ["–", "nobody follows it"];
}

/** @param {Server} server @param {Model} model @returns {string} what its loss would mean now */
function consequence(server, model) {
  if (look(server) === "observer") return `s${server.sid} has no vote and acknowledges nothing: without it writes go on as before.`;
  if (look(server) !== "leader") return "";
  const others = model.all().filter((other) => other.sid !== server.sid && server.voters.includes(other.sid) && !isAway(other) && look(other) !== "paused");
  const need = Math.floor(server.voters.length / 2) + 1;
  if (others.length < need) return `Without s${server.sid} only ${others.length} of ${server.voters.length} voters are left: no quorum, no writes until one comes back.`;
  const together = model.together(others);
  if (together.length < need) return `Without s${server.sid} nobody can lead: with the links that are cut, no part of ${names(others.map((other) => other.sid))} has ${need} of ${server.voters.length} voters.`;
  const holders = together.filter((other) => compareZxids(other.zxid_durable, server.zxid_committed) >= 0).map((other) => other.sid);
  const ahead = together.every((other) => compareZxids(other.zxid_logged, server.zxid_logged) < 0);
  const held = holders.length ? `${names(holders)} ${holders.length === 1 ? "holds" : "hold"} everything committed` : "What is committed is on a quorum, as its acks say";
  return `Killing the leader starts an election among ${names(together.map((other) => other.sid))}. ${held}${ahead ? "; what was logged here last is here alone and may be lost" : ""}.`;
}
