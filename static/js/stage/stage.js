/**
 * The stage: cards, links and packets in one SVG, changed in place and never rebuilt.
 *
 * Stage time stands still while the viewer has paused, while the page is hidden, and across gaps between frames. The
 * loop runs only while something moves.
 */

import { Card } from "./card.js";
import { set, svg } from "./dom.js";
import { Flights } from "./flights.js";
import { between, layout, seats } from "./layout.js";
import { look } from "./model.js";
import { Packets } from "./packets.js";

/** @typedef {import("./layout.js").Point} Point */
/** @typedef {import("./pairing.js").Packet} Packet */

const GAP_MS_MAX = 500;
const MARK_W = 50;
const MARK_H = 20;
const MARK_AT = [0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82];
const MOVE_MS = 560;
const FRAME_BUDGET_MS = 10;
/** More pills than this cannot be told apart; packets beyond it are counted, not drawn. */
const FLYING_MAX = 48;

export class Stage {
  /**
   * @param {SVGSVGElement} root
   * @param {import("./model.js").Model} model
   */
  constructor(root, model) {
    this.root = root;
    this.model = model;
    const layer = (/** @type {string} */ name) => svg("g", { class: name }, root);
    this.linkLayer = layer("links");
    this.packets = new Packets(layer("packets"));
    this.cardLayer = layer("nodes");
    this.flights = new Flights();
    /** @type {Map<number, Card>} */
    this.cards = new Map();
    /** @type {Map<string, SVGElement>} */
    this.links = new Map();
    /** @type {Map<number, Point>} where each card is, and where it is going */
    this.at = new Map();
    /** @type {Map<number, {from: Point, to: Point, since: number}>} */
    this.moves = new Map();
    /** @type {Map<number, number>} */
    this.seats = new Map();
    this.time = 0;
    this.lastFrame = 0;
    this.running = false;
    this.paused = false;
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.drawn = 0;
    this.slowFrames = 0;
    this.frame = this.frame.bind(this);
    this.layout = layout(1, 800);
    new ResizeObserver(() => this.arrange(true)).observe(root);
  }

  /** Take what the model says now. */
  update() {
    const sids = this.model.all().map((server) => server.sid);
    for (const [sid, card] of this.cards) {
      if (sids.includes(sid)) continue;
      card.group.remove();
      this.cards.delete(sid);
      this.at.delete(sid);
      this.moves.delete(sid);
    }
    for (const sid of sids) if (!this.cards.has(sid)) this.cards.set(sid, new Card(sid, this.cardLayer));
    this.arrange(false);
    for (const card of this.cards.values()) card.update(this.model);
    this.drawLinks();
  }

  /** @param {boolean} resized whether the room changed: cards then stand at once where they belong */
  arrange(resized) {
    // A drawing that is not shown has no width, and comes here again when it is.
    if (!this.cards.size || !this.root.getBoundingClientRect().width) return;
    const width = Math.max(280, Math.floor(this.root.getBoundingClientRect().width));
    const next = layout(this.cards.size, width);
    const same = JSON.stringify(next) === JSON.stringify(this.layout);
    this.layout = next;
    set(this.root, { viewBox: `0 0 ${width} ${next.height}`, height: next.height });
    this.seats = seats(this.seats, [...this.cards.keys()].sort((a, b) => a - b), this.model.leader()?.sid ?? null);
    for (const [sid, card] of this.cards) {
      if (!same || !card.size.w) card.resize(next);
      const to = next.slots[/** @type {number} */ (this.seats.get(sid))];
      this.send(sid, to, resized || !this.at.has(sid) || this.still.matches);
    }
    if (!same) for (const card of this.cards.values()) card.update(this.model);
    this.drawLinks();
  }

  /** @param {number} sid @param {Point} to @param {boolean} atOnce */
  send(sid, to, atOnce) {
    const now = this.at.get(sid);
    if (atOnce || !now) {
      this.moves.delete(sid);
      this.at.set(sid, to);
      this.cards.get(sid)?.moveTo(to);
    } else if ((this.moves.get(sid)?.to ?? now) !== to && (now.x !== to.x || now.y !== to.y || this.moves.has(sid))) {
      const going = this.moves.get(sid);
      if (going && going.to.x === to.x && going.to.y === to.y) return;
      this.moves.set(sid, { from: now, to, since: performance.now() });
      this.run();
    }
  }

  drawLinks() {
    const sids = [...this.cards.keys()].sort((a, b) => a - b);
    const wanted = new Set();
    for (const one of sids) {
      for (const other of sids) {
        if (one >= other) continue;
        const key = `${one}-${other}`;
        wanted.add(key);
        const link = this.links.get(key) ?? this.newLink(key);
        const state = this.model.link(one, other);
        if ((state === "cut" || state === "gone") && !link.classList.contains(state)) this.clearWay(one, other);
        set(link, { class: `link ${state}`, "data-link": key });
        const way = this.way(one, other);
        if (!way) continue;
        const [line, mark] = link.children;
        set(line, { x1: way.from.x.toFixed(1), y1: way.from.y.toFixed(1), x2: way.to.x.toFixed(1), y2: way.to.y.toFixed(1) });
        const { x, y } = this.clearOfCards(way);
        set(mark, { transform: `translate(${x.toFixed(1)},${y.toFixed(1)})` });
      }
    }
    for (const [key, link] of this.links) {
      if (wanted.has(key)) continue;
      link.remove();
      this.links.delete(key);
    }
  }

  /** @param {{from: Point, to: Point}} way @returns {Point} where a mark on it is not under a card, as near to its middle as can be */
  clearOfCards({ from, to }) {
    const { w, h } = this.layout;
    const corners = [...this.at.values()];
    const free = (/** @type {Point} */ at) => corners.every((card) => at.x + MARK_W / 2 < card.x || at.x - MARK_W / 2 > card.x + w || at.y + MARK_H / 2 < card.y || at.y - MARK_H / 2 > card.y + h);
    const at = (/** @type {number} */ share) => ({ x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share });
    const found = MARK_AT.map(at).find(free);
    if (found) return found;
    // Between two cards side by side on a phone there is no room for it: it stands below.
    const middle = at(0.5);
    const below = { x: middle.x, y: middle.y + h / 2 + MARK_H / 2 + 1 };
    return from.y === to.y && free(below) ? below : middle;
  }

  /** Nothing flies on a link that was just cut, or to a server that just fell. @param {number} one @param {number} other */
  clearWay(one, other) {
    for (const flight of this.flights.flying) {
      if (Math.min(flight.from, flight.to) !== one || Math.max(flight.from, flight.to) !== other) continue;
      this.packets.drop(flight);
      this.flights.end(flight);
    }
  }

  /** @param {string} key */
  newLink(key) {
    const link = svg("g", {}, this.linkLayer);
    svg("line", {}, link);
    const mark = svg("g", { class: "mark" }, link);
    svg("rect", { x: -MARK_W / 2, y: -MARK_H / 2, width: MARK_W, height: MARK_H, rx: 10 }, mark);
    svg("path", { d: "M-17 -3.5 L-10 3.5 M-10 -3.5 L-17 3.5" }, mark);
    const text = svg("text", { x: -4, y: 4 }, mark);
    text.textContent = "cut";
    this.links.set(key, link);
    return link;
  }

  /** @param {number} one @param {number} other */
  way(one, other) {
    const a = this.at.get(one);
    const b = this.at.get(other);
    return a && b ? between(a, b, this.layout) : null;
  }

  /**
   * @param {Packet[]} packets
   * @param {boolean} sure whether a receipt not seen means that there was none
   * @returns {number} how many are not drawn
   */
  fly(packets, sure) {
    let left = 0;
    this.flights.still = this.still.matches;
    for (const packet of packets) {
      if (!this.cards.has(packet.from) || !this.cards.has(packet.to) || document.hidden) {
        left += 1;
        continue;
      }
      if (this.flights.flying.size >= FLYING_MAX && packet.type === "PING") {
        left += 1;
        continue;
      }
      const flight = this.flights.add(packet, this.time, sure);
      this.packets.label(flight);
      this.drawn += 1;
    }
    this.flights.tidy(this.time);
    set(this.root, { "data-drawn": this.drawn });
    if (this.flights.flying.size) this.run();
    return left;
  }

  /** @param {boolean} paused */
  setPaused(paused) {
    this.paused = paused;
    this.root.classList.toggle("paused", paused);
    if (!paused && (this.flights.flying.size || this.moves.size)) this.run();
  }

  run() {
    if (this.running || this.paused) return;
    this.running = true;
    this.lastFrame = 0;
    requestAnimationFrame(this.frame);
  }

  /** @param {number} now */
  frame(now) {
    const passed = this.lastFrame ? now - this.lastFrame : 0;
    this.lastFrame = now;
    const started = performance.now();
    if (passed <= GAP_MS_MAX) this.time += passed;
    this.moveCards();
    for (const flight of this.flights.flying) {
      const way = this.way(flight.from, flight.to);
      if (this.packets.place(flight, this.time, way, { still: this.still.matches, narrow: this.layout.narrow })) continue;
      this.packets.drop(flight);
      this.flights.end(flight);
    }
    if (performance.now() - started > FRAME_BUDGET_MS) {
      this.slowFrames += 1;
      set(this.root, { "data-slow-frames": this.slowFrames });
    }
    this.running = !this.paused && (this.flights.flying.size > 0 || this.moves.size > 0);
    if (this.running) requestAnimationFrame(this.frame);
  }

  moveCards() {
    if (!this.moves.size) return;
    const now = performance.now();
    for (const [sid, move] of this.moves) {
      const share = Math.min(1, (now - move.since) / MOVE_MS);
      const eased = 1 - (1 - share) ** 3;
      const point = share >= 1 ? move.to : { x: move.from.x + (move.to.x - move.from.x) * eased, y: move.from.y + (move.to.y - move.from.y) * eased };
      this.at.set(sid, point);
      this.cards.get(sid)?.moveTo(point);
      if (share >= 1) this.moves.delete(sid);
    }
    this.drawLinks();
  }

  /** @param {number | null} sid */
  select(sid) {
    for (const [one, card] of this.cards) {
      set(card.group, { "aria-checked": String(one === sid), tabindex: one === sid ? 0 : -1 });
    }
  }

  /**
   * @param {number} sid
   * @param {"ArrowLeft" | "ArrowRight" | "ArrowUp" | "ArrowDown"} key
   * @returns {number} the nearest server in that direction, else the next or previous one
   */
  neighbour(sid, key) {
    const from = /** @type {Point} */ (this.at.get(sid));
    const ahead = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    const others = [...this.at].filter(([other]) => other !== sid).map(([other, point]) => {
      const along = (point.x - from.x) * ahead[0] + (point.y - from.y) * ahead[1];
      const aside = Math.abs((point.x - from.x) * ahead[1]) + Math.abs((point.y - from.y) * ahead[0]);
      return { other, along, cost: along + 2 * aside };
    });
    const best = others.filter((one) => one.along > 1).sort((a, b) => a.cost - b.cost)[0];
    if (best) return best.other;
    const order = [...this.cards.keys()].sort((a, b) => a - b);
    const step = key === "ArrowLeft" || key === "ArrowUp" ? -1 : 1;
    return order[(order.indexOf(sid) + step + order.length) % order.length];
  }

  /** @returns {boolean} whether any server can be heard */
  anyone() {
    return this.model.all().some((server) => !["down", "unreachable", "unknown", "starting"].includes(look(server)));
  }
}
