/**
 * "Just now": the last events in words, newest first. Packets of the ordinary course are drawn, not told; a list that is
 * hovered or focused stands still.
 */

import { atMostEvery, html, keep, setText } from "./dom.js";
import { momentText, sessionText, visible, voteText, zxidText } from "./format.js";

const SHOWN = 12;
const EVERY_MS = 500;
const TOLD_MAX = 600;
const QUIET = new Set(["PROPOSAL", "ACK", "COMMIT", "PING", "REQUEST", "INFORM", "REVALIDATE"]);

/** Of what happens all the time this many lines at most, so that an election is still there a while later. */
const USUAL_MAX = 7;

/** @typedef {{wall: number, text: string, key: string, usual: boolean}} Line */

export class Feed {
  /** @param {HTMLElement} list */
  constructor(list) {
    this.list = list;
    /** @type {Line[]} newest first */
    this.lines = [];
    /** What was told of already, newest last. @type {Set<string>} */
    this.told = new Set();
    /** From the panel's clock to the wall's, ms; learned from events. @type {number | null} */
    this.wallMs = null;
    this.held = false;
    this.draw = atMostEvery(EVERY_MS, () => this.render());
    for (const [name, held] of /** @type {[string, boolean][]} */ ([["pointerenter", true], ["pointerleave", false]])) {
      list.addEventListener(name, () => {
        this.held = held;
        this.draw();
      });
    }
  }

  /** @param {any[]} events */
  add(events) {
    for (const event of events) {
      this.wallMs = event.wall * 1000 - event.t;
      this.put({ wall: event.wall, text: words(event), key: `${event.sid} ${event.n} ${event.at}`, usual: event.kind === "watch" });
    }
    this.trim();
  }

  /** @param {any[]} proposals @param {number | null} leader */
  addCommits(proposals, leader) {
    if (this.wallMs === null) return;
    for (const proposal of proposals) {
      if (proposal.committed === null || proposal.op === null) continue;
      const acks = Object.entries(proposal.acked).filter(([, at]) => Number(at) <= proposal.committed).map(([sid]) => `s${sid}`);
      const what = `${leader === null ? "" : `s${leader} `}commit ${proposal.text} ${proposal.op}${proposal.path === null ? "" : ` ${visible(proposal.path)}`}`;
      const wall = (this.wallMs + proposal.at + proposal.committed) / 1000;
      this.put({ wall, text: acks.length ? `${what}, quorum ${acks.join(" ")}` : what, key: `commit ${proposal.zxid}`, usual: true });
    }
    this.trim();
  }

  /** @param {Line} line */
  put(line) {
    if (!line.text || this.told.has(line.key)) return;
    this.told.add(line.key);
    this.lines.push(line);
  }

  trim() {
    this.lines.sort((a, b) => b.wall - a.wall);
    let usual = 0;
    const kept = this.lines.filter((line) => !line.usual || (usual += 1) <= USUAL_MAX);
    // Rare lines give way only to rare ones; what is left of the room is theirs.
    this.lines = kept.slice(0, SHOWN);
    for (const key of this.told) {
      if (this.told.size <= TOLD_MAX) break;
      this.told.delete(key);
    }
    this.draw();
  }

  render() {
    if (this.held) return;
    const items = keep(this.list, this.lines.length, () => html("li", {}, html("b"), html("span")));
    this.lines.forEach((line, index) => {
      const item = /** @type {HTMLElement} */ (items[index]);
      setText(item.children[0], momentText(line.wall));
      setText(item.children[1], line.text);
      if (item.title !== line.text) item.title = line.text;
    });
  }
}

/** @param {any} event @returns {string} what happened, or nothing if it is not worth telling */
export function words(event) {
  const here = `s${event.sid}`;
  switch (event.kind) {
    case "phase":
      return `${here} ${event.role}, ${event.phase}${event.epoch ? ` of epoch ${event.epoch}` : ""}${event.why ? `: ${event.why}` : ""}`;
    case "vote":
      return `${here} ${voteText(event.leader)} with ${zxidText(event.zxid)}, round ${event.round}`;
    case "sync":
      return `${here} ↔ s${event.peer} ${event.mode} to ${zxidText(event.zxid)}${event.txns ? `, ${event.txns} txns` : ""}`;
    case "session":
      return `session ${sessionText(event.session)} ${event.what} at ${here}${event.client ? ` from ${event.client}` : ""}`;
    case "watch":
      return event.what === "fired" ? `watch ${visible(event.path)} fired to ${sessionText(event.session)}` : "";
    case "fault":
      return `${here} ${event.active ? "cut from" : "healed with"} ${event.peers.map((/** @type {number} */ peer) => `s${peer}`).join(" ")}`;
    case "message":
      if (event.way !== "received" || QUIET.has(event.type)) return "";
      return event.type === "NOTIFICATION" ? `s${event.peer} → ${here} ${voteText(event.vote)}, ${event.state}` : `s${event.peer} → ${here} ${event.type}${event.zxid ? ` ${zxidText(event.zxid)}` : ""}`;
    default:
      return "";
  }
}
