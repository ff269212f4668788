/**
 * One packet is two events: its sender says `sent`, its receiver says `received`, on two streams that arrive in no
 * order between them. Here the two are joined by type, zxid and peers, so that a packet is drawn once. Pure.
 *
 * Votes are told by who receives them only.
 */

const FORGET_AFTER_MS = 3000;
/** Kinds whose receipt alone is traced. */
const RECEIVED_ONLY = new Set(["NOTIFICATION"]);

/**
 * @typedef {object} Packet
 * @property {string} type
 * @property {string | null} zxid
 * @property {number} from
 * @property {number} to
 * @property {number} t when it was first seen, milliseconds on the panel's clock
 * @property {number | null} vote for a NOTIFICATION, whom it names
 * @property {boolean} arrived whether its receiver said so
 */

export class Pairing {
  constructor() {
    /** Packets of which one half was seen. @type {Map<string, {packet: Packet, half: "sent" | "received"}[]>} */
    this.open = new Map();
  }

  /**
   * @param {any[]} events in the order of their time
   * @returns {Packet[]} packets seen for the first time; those sent become `arrived` when their receipt comes
   */
  take(events) {
    /** @type {Packet[]} */
    const fresh = [];
    for (const event of events) {
      if (event.kind !== "message") continue;
      const sent = event.way === "sent";
      const from = sent ? event.sid : event.peer;
      const to = sent ? event.peer : event.sid;
      const key = `${event.type} ${event.zxid} ${from} ${to}`;
      const waiting = this.open.get(key);
      const other = waiting?.findIndex((one) => one.half !== event.way) ?? -1;
      if (waiting && other >= 0) {
        waiting[other].packet.arrived = true;
        waiting.splice(other, 1);
        if (!waiting.length) this.open.delete(key);
        continue;
      }
      const packet = { type: event.type, zxid: event.zxid, from, to, t: event.t, vote: event.vote ?? null, arrived: !sent };
      fresh.push(packet);
      if (!RECEIVED_ONLY.has(event.type)) this.open.set(key, [...(waiting ?? []), { packet, half: event.way }]);
    }
    if (events.length) this.forget(events[events.length - 1].t - FORGET_AFTER_MS);
    return fresh.sort((a, b) => a.t - b.t);
  }

  /** @param {number} before milliseconds on the panel's clock */
  forget(before) {
    for (const [key, waiting] of this.open) {
      const kept = waiting.filter((one) => one.packet.t >= before);
      if (!kept.length) this.open.delete(key);
      else if (kept.length < waiting.length) this.open.set(key, kept);
    }
  }
}
