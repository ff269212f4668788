/** Pills flying along links. Elements are made when a flight starts, moved by one attribute a frame, and reused. */

import { set, setText, svg } from "./dom.js";
import { FLIGHT_MS, LOST_AT, isLost } from "./flights.js";
import { count, hue, parts, voteText, zxidText } from "./format.js";

/** @typedef {import("./flights.js").Flight} Flight */

/** Pills of the two directions of a link pass each other at this distance. */
const LANE = 16;
const STEEP = 18;
/** Where on its way a pill stands when motion is unwanted: the three of a write beside each other. @type {Record<string, number>} */
const STANDS_AT = { PROPOSAL: 0.22, COMMIT: 0.74, ACK: 0.5, REQUEST: 0.26 };
/** A packet nobody was seen to receive stands where it stopped until this many flights have passed. */
const LOST_FOR = 1.9;
const REUSED_MAX = 40;
const CHARACTER = 6.4;
const OF_EPOCH = new Set(["PROPOSAL", "ACK", "INFORM"]);
const TOLD_ZXID = new Set(["PROPOSAL", "ACK", "COMMIT", "INFORM", "DIFF", "TRUNC", "SNAP", "NEWLEADER"]);
/** @type {Record<string, string>} */
const KIND = {
  PROPOSAL: "filled", INFORM: "filled", ACK: "hollow", COMMIT: "filled ok-pill", PING: "ping", NOTIFICATION: "hollow vote-pill",
  REQUEST: "filled request-pill", DIFF: "filled sync-pill", TRUNC: "filled trunc-pill", SNAP: "filled sync-pill",
  NEWLEADER: "filled lead-pill", LEADERINFO: "filled lead-pill", UPTODATE: "filled ok-pill",
};

export class Packets {
  /** @param {Element} layer */
  constructor(layer) {
    this.layer = layer;
    /** @type {Map<Flight, SVGElement>} */
    this.pills = new Map();
    /** @type {SVGElement[]} */
    this.spare = [];
  }

  /** @param {Flight} flight more packets share it now, or it is new */
  label(flight) {
    const pill = this.pills.get(flight) ?? this.take(flight);
    const { type, packets } = flight;
    const zxid = packets[0].zxid;
    const epoch = OF_EPOCH.has(type) && zxid ? hue(parts(zxid).epoch) : "";
    const small = type === "PING";
    const text = small ? "" : labelOf(flight);
    const width = small ? 6 : Math.round(13 + CHARACTER * text.length);
    const height = small ? 6 : 20;
    const [body, label, arrow] = pill.children;
    set(pill, {
      class: `packet ${KIND[type] ?? "hollow"} ${epoch}`,
      "data-type": type, "data-from": flight.from, "data-to": flight.to, "data-count": packets.length,
      "data-zxid": packets.length > 1 ? null : zxid,
    });
    set(body, { x: -width / 2, y: -height / 2, width, height, rx: height / 2 });
    setText(label, text);
    set(arrow, { "data-at": width / 2 + 3 });
  }

  /**
   * @param {Flight} flight
   * @param {number} now stage time
   * @param {{from: {x: number, y: number}, to: {x: number, y: number}, length: number} | null} way in its direction
   * @param {{still: boolean, narrow: boolean}} how still: motion is unwanted, the pill stands in the middle of its link
   * @returns {boolean} whether it is still on its way
   */
  place(flight, now, way, how) {
    const pill = this.pills.get(flight) ?? this.take(flight);
    const share = (now - flight.start) / FLIGHT_MS;
    const lost = share > LOST_AT && isLost(flight);
    // Not by its share of the way: the quotient may be less than 1 at the moment when its answer leaves.
    const over = lost ? share >= LOST_FOR : now >= flight.start + FLIGHT_MS;
    if (!way || over) return false;
    if (share < 0) {
      set(pill, { visibility: "hidden" });
      return true;
    }
    const along = how.still ? STANDS_AT[flight.type] ?? 0.5 : lost ? LOST_AT : ease(share);
    const dx = (way.to.x - way.from.x) / (way.length || 1);
    const dy = (way.to.y - way.from.y) / (way.length || 1);
    // Pills are wide: on a steep link those of the two directions must be further apart than on a flat one.
    const side = flight.type === "PING" ? 4 : LANE + (how.narrow ? STEEP * Math.abs(dy) : 0);
    const x = way.from.x + (way.to.x - way.from.x) * along - dy * side;
    const y = way.from.y + (way.to.y - way.from.y) * along + dx * side;
    set(pill, { visibility: null, transform: `translate(${x.toFixed(1)},${y.toFixed(1)})` });
    pill.classList.toggle("lost", lost);
    const arrow = pill.children[2];
    const flat = Math.abs(dx) > Math.abs(dy);
    const reach = flat ? Number(arrow.getAttribute("data-at")) : 13;
    const angle = flat ? (dx > 0 ? 0 : 180) : dy > 0 ? 90 : -90;
    set(arrow, { transform: `rotate(${angle}) translate(${reach},0)` });
    return true;
  }

  /** @param {Flight} flight */
  drop(flight) {
    const pill = this.pills.get(flight);
    if (!pill) return;
    this.pills.delete(flight);
    pill.remove();
    if (this.spare.length < REUSED_MAX) this.spare.push(pill);
  }

  clear() {
    for (const flight of [...this.pills.keys()]) this.drop(flight);
  }

  /** @param {Flight} flight */
  take(flight) {
    const pill = this.spare.pop() ?? newPill();
    set(pill, { visibility: "hidden" });
    this.pills.set(flight, pill);
    this.layer.append(pill);
    return pill;
  }
}

/** @param {Flight} flight */
function labelOf(flight) {
  const { type, packets } = flight;
  const [first] = packets;
  const times = packets.length > 1 ? ` ×${count(packets.length)}` : "";
  if (type === "NOTIFICATION") return voteText(first.vote) + times;
  if (times) return type + times;
  return first.zxid && TOLD_ZXID.has(type) ? `${type} ${zxidText(first.zxid)}` : type;
}

function newPill() {
  const pill = svg("g");
  svg("rect", {}, pill);
  svg("text", { "text-anchor": "middle", y: 3.6 }, pill);
  svg("path", { class: "arrow", d: "M0 -4 L6 0 L0 4 Z" }, pill);
  return pill;
}

/** @param {number} share gentle at both ends, near to even in between */
function ease(share) {
  return share * 0.6 + (3 - 2 * share) * share * share * 0.4;
}
