/**
 * When each packet flies, and which fly together. Pure: it knows stage time (milliseconds, standing still while
 * paused) and no pictures.
 *
 * On the wire a write is over in a millisecond or two; here a packet takes {@link FLIGHT_MS}, and never leaves a server
 * before what it answers has landed there. Packets of one type that leave one server for another close
 * together share a pill, which says how many they are.
 */

export const FLIGHT_MS = 620;
/** Two pills on one lane leave at least this far apart, so that both can be read. */
const APART_MS = 270;
/** How far the drawing may fall behind what it draws; beyond it packets share pills. */
const BEHIND_MS_MAX = 1300;
/** A packet whose receipt is not seen by this share of its way stops there. */
export const LOST_AT = 0.78;

/** @typedef {import("./pairing.js").Packet} Packet */
/**
 * @typedef {object} Flight
 * @property {string} type
 * @property {number} from
 * @property {number} to
 * @property {Packet[]} packets
 * @property {number} start stage time
 * @property {boolean} sure whether a missing receipt means that there was none
 */

export class Flights {
  constructor() {
    /** @type {Set<Flight>} */
    this.flying = new Set();
    /** The last flight of each type on each lane. @type {Map<string, Flight>} */
    this.last = new Map();
    /** When a lane can take the next pill. @type {Map<string, number>} */
    this.free = new Map();
    /** When a zxid has landed at a server. @type {Map<string, number>} */
    this.landed = new Map();
    /** Without motion a pill stands for as long as it would fly, and the next of its kind joins it. */
    this.still = false;
  }

  /**
   * @param {Packet} packet
   * @param {number} now stage time
   * @param {boolean} sure
   * @returns {Flight} a new one, or one it shares
   */
  add(packet, now, sure) {
    const lane = `${packet.from}>${packet.to}`;
    const small = packet.type === "PING";
    const ready = small ? now : Math.max(now, this.landed.get(`${packet.from} ${packet.zxid}`) ?? 0);
    const flight = this.shared(packet, lane, ready, now) ?? this.begin(packet, lane, ready, now, sure);
    flight.packets.push(packet);
    flight.sure &&= sure;
    if (packet.zxid && !small) this.landed.set(`${packet.to} ${packet.zxid}`, flight.start + FLIGHT_MS);
    return flight;
  }

  /**
   * @param {Packet} packet
   * @param {string} lane
   * @param {number} ready
   * @param {number} now
   * @returns {Flight | null} the last pill of its kind on the lane, if it leaves at about the same time
   */
  shared(packet, lane, ready, now) {
    const before = this.last.get(`${lane} ${packet.type}`);
    if (!before || !this.flying.has(before) || before.packets[0].vote !== packet.vote) return null;
    const crowded = (this.free.get(lane) ?? 0) >= now + BEHIND_MS_MAX;
    const apart = this.still ? FLIGHT_MS : APART_MS;
    return crowded || ready <= before.start + apart ? before : null;
  }

  /** @param {Packet} packet @param {string} lane @param {number} ready @param {number} now @param {boolean} sure @returns {Flight} */
  begin(packet, lane, ready, now, sure) {
    const small = packet.type === "PING";
    const start = small ? now : Math.min(Math.max(ready, this.free.get(lane) ?? 0), now + BEHIND_MS_MAX);
    const flight = { type: packet.type, from: packet.from, to: packet.to, packets: [], start, sure };
    this.flying.add(flight);
    this.last.set(`${lane} ${packet.type}`, flight);
    if (!small) this.free.set(lane, start + APART_MS);
    return flight;
  }

  /** @param {Flight} flight */
  end(flight) {
    this.flying.delete(flight);
  }

  /** @param {number} now drop what no flight depends on any more */
  tidy(now) {
    for (const [key, at] of this.landed) if (at < now) this.landed.delete(key);
  }

  clear() {
    this.flying.clear();
    this.last.clear();
    this.free.clear();
    this.landed.clear();
  }
}

/** @param {Flight} flight @returns {boolean} whether none of it was seen to arrive, and that can be told */
export function isLost(flight) {
  return flight.sure && flight.packets.every((packet) => !packet.arrived);
}
