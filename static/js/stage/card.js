/**
 * One server on the stage: a card with its epoch disc, role, log and sessions, updated in place.
 *
 * Colour is the epoch's, and never the only sign: the number is printed, the role is a word, an uncommitted
 * entry has a dashed border.
 */

import { keep, set, setText, svg } from "./dom.js";
import { hue, parts, plural, zxidText } from "./format.js";
import { isAway, lag, look, observes, word } from "./model.js";

/** @typedef {import("./model.js").Server} Server */
/** @typedef {import("./model.js").Model} Model */

const CELL_GAP = 3;
const CELL_MIN = 21;
const DIGIT = 6.35;
const DOT_STEP = 11;
const FLASH_MS = 700;

/** What is where in a wide card and in a narrow one. */
const WIDE = { disc: { x: 34, y: 37, r: 23 }, name: 72, top: 30, second: 50, cells: { x: 16, y: 78 }, dots: { x: 16, y: 118 }, note: 30, foot: 122 };
const NARROW = { disc: { x: 30, y: 33, r: 19 }, name: 58, top: 27, second: 45, cells: { x: 12, y: 66 }, dots: { x: 16, y: 101 }, note: 127, foot: 105 };

export class Card {
  /** @param {number} sid @param {Element} parent */
  constructor(sid, parent) {
    this.sid = sid;
    this.group = svg("g", { class: "node", role: "radio", "data-sid": sid, tabindex: -1 }, parent);
    this.box = svg("rect", { class: "box", rx: 12 }, this.group);
    this.disc = svg("circle", { class: "disc" }, this.group);
    this.rim = svg("g", { class: "rim" }, this.group);
    this.tally = svg("g", { class: "tally" }, this.group);
    this.epoch = svg("text", { class: "epochno", "text-anchor": "middle" }, this.group);
    this.name = svg("text", { class: "name" }, this.group);
    setText(this.name, `s${sid}`);
    this.role = svg("text", { class: "standing" }, this.group);
    this.logged = svg("text", { class: "m second" }, this.group);
    this.note = svg("text", { class: "m third", "text-anchor": "end" }, this.group);
    this.cells = svg("g", { class: "cells" }, this.group);
    this.dots = svg("g", { class: "dots" }, this.group);
    this.count = svg("text", { class: "m third", "text-anchor": "end" }, this.group);
    /** @type {string[]} sessions in the order of their dots */
    this.sessions = [];
    this.at = WIDE;
    this.size = { w: 0, h: 0 };
  }

  /** @param {{x: number, y: number}} point upper left corner */
  moveTo(point) {
    set(this.group, { transform: `translate(${point.x.toFixed(1)},${point.y.toFixed(1)})` });
  }

  /** @param {import("./layout.js").Layout} layout */
  resize(layout) {
    const at = layout.narrow ? NARROW : WIDE;
    this.at = at;
    this.size = { w: layout.w, h: layout.h };
    set(this.box, { width: layout.w, height: layout.h });
    set(this.disc, { cx: at.disc.x, cy: at.disc.y, r: at.disc.r });
    set(this.epoch, { x: at.disc.x, y: at.disc.y + 5 });
    set(this.name, { x: at.name, y: at.top });
    set(this.role, { x: at.name + 6 + 9 * (this.name.textContent ?? "").length, y: at.top });
    set(this.logged, { x: at.name, y: at.second });
    set(this.note, { x: layout.w - 12, y: at.note });
    set(this.count, { x: layout.w - 12, y: at.foot });
  }

  /** @param {Model} model */
  update(model) {
    const server = /** @type {Server} */ (model.servers.get(this.sid));
    const seen = look(server);
    const known = server.current_epoch !== undefined;
    set(this.group, { "data-look": seen, "data-part": observes(server) ? "observer" : server.part, "aria-label": describe(server, model) });
    set(this.disc, { class: `disc ${known ? hue(server.current_epoch) : ""}` });
    set(this.epoch, { class: `epochno ${known ? hue(server.current_epoch) : ""}` });
    setText(this.epoch, known ? String(server.current_epoch) : "?");
    setText(this.role, word(server));
    setText(this.logged, secondLine(server, model, this.at === NARROW));
    setText(this.note, note(server, model));
    this.drawCells(server.log ?? []);
    this.drawSessions(model.sessions[String(this.sid)] ?? [], server);
    this.drawRim(server, seen);
    this.drawTally(server, model, seen);
  }

  /** @param {string} session whose dot lights up for a moment */
  flash(session) {
    const dot = this.dots.children[this.sessions.indexOf(session)];
    if (!dot) return;
    dot.classList.add("lit");
    setTimeout(() => dot.classList.remove("lit"), FLASH_MS);
  }

  /** @param {{zxid: string, committed: boolean}[]} log */
  drawCells(log) {
    const room = this.size.w - this.at.cells.x - 12;
    const shown = [];
    let used = 0;
    for (let index = log.length - 1; index >= 0; index -= 1) {
      const zxid = parts(log[index].zxid);
      const width = Math.max(CELL_MIN, Math.round(String(zxid.counter).length * DIGIT + 3));
      if (used + width > room) break;
      used += width + CELL_GAP;
      shown.unshift({ ...zxid, width, committed: log[index].committed });
    }
    const cells = keep(this.cells, shown.length, newCell);
    let x = this.at.cells.x;
    shown.forEach((cell, index) => {
      const [box, text] = cells[index].children;
      set(cells[index], { class: `cell ${hue(cell.epoch)} ${cell.committed ? "committed" : "logged"}` });
      set(box, { x, y: this.at.cells.y, width: cell.width });
      set(text, { x: x + cell.width / 2, y: this.at.cells.y + 13 });
      setText(text, String(cell.counter));
      x += cell.width + CELL_GAP;
    });
  }

  /** @param {string[]} sessions @param {Server} server */
  drawSessions(sessions, server) {
    const away = isAway(server);
    const total = away ? 0 : Math.max(sessions.length, sessions.length >= 40 ? server.connections : 0);
    const room = Math.floor((this.size.w - (this.at === NARROW ? 104 : 122)) / DOT_STEP);
    this.sessions = away ? [] : sessions.slice(0, room);
    const dots = keep(this.dots, this.sessions.length, () => svg("circle", { r: 3.4 }));
    this.sessions.forEach((_, index) => set(dots[index], { cx: this.at.dots.x + index * DOT_STEP, cy: this.at.dots.y }));
    setText(this.count, away ? "" : plural(total, "session"));
  }

  /**
   * Around a leader: one arc for every voter, at its turn, solid when that voter has synchronized with it.
   *
   * @param {Server} server @param {string} seen
   */
  drawRim(server, seen) {
    const leads = server.role === "leading" && (seen === "leader" || seen === "joining");
    const voters = leads ? server.voters : [];
    const arcs = keep(this.rim, voters.length, () => svg("path"));
    const { x, y, r } = this.at.disc;
    voters.forEach((/** @type {number} */ sid, /** @type {number} */ index) => {
      const peer = server.peers.find((/** @type {any} */ one) => one.sid === sid);
      const turn = (2 * Math.PI) / voters.length;
      const gap = voters.length > 1 ? 0.16 : 0.01;
      set(arcs[index], {
        d: arc(x, y, r + 5, index * turn + gap, (index + 1) * turn - gap),
        class: sid === server.sid || (peer?.connected && peer.synced) ? "with" : peer?.connected ? "coming" : "without",
      });
    });
  }

  /**
   * In a looking server: a dot for every other voter, in its direction; filled when it is heard to vote for the same.
   *
   * @param {Server} server @param {Model} model @param {string} seen
   */
  drawTally(server, model, seen) {
    const voters = seen === "looking" && !observes(server) ? [...server.voters].sort() : [];
    const dots = keep(this.tally, voters.length, () => svg("circle", { r: 3.2 }));
    const heard = model.votes.get(server.sid);
    const own = heard?.get(server.sid) ?? server.vote;
    const { x, y, r } = this.at.disc;
    voters.forEach((sid, index) => {
      const angle = (2 * Math.PI * index) / voters.length;
      const vote = sid === server.sid ? own : heard?.get(sid);
      set(dots[index], {
        cx: (x + (r + 5) * Math.sin(angle)).toFixed(1),
        cy: (y - (r + 5) * Math.cos(angle)).toFixed(1),
        class: vote === undefined || vote === null ? "silent" : vote === own ? "agrees" : "differs",
      });
    });
  }
}

function newCell() {
  const cell = svg("g");
  svg("rect", { height: 19, rx: 3.5 }, cell);
  svg("text", { "text-anchor": "middle" }, cell);
  return cell;
}

/** @param {number} x @param {number} y @param {number} r @param {number} from @param {number} to clockwise from the top */
function arc(x, y, r, from, to) {
  const point = (/** @type {number} */ angle) => `${(x + r * Math.sin(angle)).toFixed(1)} ${(y - r * Math.cos(angle)).toFixed(1)}`;
  return `M${point(from)} A${r} ${r} 0 ${to - from > Math.PI ? 1 : 0} 1 ${point(to)}`;
}

/** @param {Server} server @param {Model} model @param {boolean} narrow there is room for sixteen characters */
function secondLine(server, model, narrow) {
  if (server.zxid_logged === undefined) return "";
  if (look(server) === "looking" && !observes(server)) {
    const vote = model.votes.get(server.sid)?.get(server.sid) ?? server.vote;
    return `votes s${vote}${narrow ? "" : ` · ${zxidText(server.zxid_logged)}`}`;
  }
  return `logged ${zxidText(server.zxid_logged)}`;
}

/** @param {Server} server @param {Model} model @returns {string} what matters most of it beside its role */
function note(server, model) {
  const seen = look(server);
  if (seen === "leader") return `fsync ${(server.fsync_us_p50 / 1000).toFixed(1)} ms`;
  if (seen !== "follower" && seen !== "observer") return "";
  const behind = lag(server, model.leader());
  return behind === null ? "" : `lag ${behind}`;
}

/** @param {Server} server @param {Model} model */
function describe(server, model) {
  const behind = lag(server, model.leader());
  const said = [`s${server.sid}`, word(server)];
  if (server.current_epoch !== undefined) said.push(`epoch ${server.current_epoch}`, `logged ${zxidText(server.zxid_logged)}`);
  if (["follower", "observer"].includes(look(server)) && behind !== null) said.push(`lag ${behind}`);
  return said.join(", ");
}
