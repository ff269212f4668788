/**
 * "Just now": the last events in words, newest first. Packets of the ordinary course are drawn, not told; a list that is
 * hovered or focused stands still.
 */

import { atMostEvery, html, keep, setText } from "./dom.js";
import { momentText, sessionText, visible, zxidText } from "./format.js";

const SHOWN = 12;
const EVERY_MS = 500;
const QUIET = new Set(["PROPOSAL", "ACK", "COMMIT", "PING", "REQUEST", "INFORM", "REVALIDATE"]);

/** @typedef {{wall: number, text: string, key: string}} Line */

export class Feed {
  /** @param {HTMLElement} list */
  constructor(list) {
    this.list = list;
    /** @type {Line[]} newest first */
    this.lines = [];
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
      const text = words(event);
      // Every server applies a transaction and tells of it; once is enough.
      const key = event.kind === "znode" ? `znode ${event.zxid} ${event.path}` : `${event.sid} ${event.n}`;
      if (!text || this.lines.some((line) => line.key === key)) continue;
      this.lines.unshift({ wall: event.wall, text, key });
    }
    this.lines = this.lines.sort((a, b) => b.wall - a.wall).slice(0, SHOWN);
    this.draw();
  }

  render() {
    if (this.held) return;
    const items = keep(this.list, this.lines.length, () => html("li", {}, html("b"), html("span")));
    this.lines.forEach((line, index) => {
      const item = /** @type {HTMLElement} */ (items[index]);
      setText(item.children[0], momentText(line.wall));
      setText(item.children[1], line.text);
      item.title = line.text;
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
      return `${here} votes s${event.leader} with ${zxidText(event.zxid)}, round ${event.round}`;
    case "sync":
      return `${here} ↔ s${event.peer} ${event.mode} to ${zxidText(event.zxid)}${event.txns ? `, ${event.txns} txns` : ""}`;
    case "session":
      return `session ${sessionText(event.session)} ${event.what} at ${here}${event.client ? ` from ${event.client}` : ""}`;
    case "watch":
      return event.what === "fired" ? `watch ${visible(event.path)} fired to ${sessionText(event.session)}` : "";
    case "znode":
      return `${visible(event.path)} ${event.what} by ${zxidText(event.zxid)}`;
    case "fault":
      return `${here} ${event.active ? "cut from" : "healed with"} ${event.peers.map((/** @type {number} */ peer) => `s${peer}`).join(" ")}`;
    case "message":
      if (event.way !== "received" || QUIET.has(event.type)) return "";
      return event.type === "NOTIFICATION" ? `s${event.peer} → ${here} votes s${event.vote}, ${event.state}` : `s${event.peer} → ${here} ${event.type}${event.zxid ? ` ${zxidText(event.zxid)}` : ""}`;
    default:
      return "";
  }
}
