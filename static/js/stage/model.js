/**
 * What is known of the servers, and how each looks: which state it is in, in which word. No drawing here.
 *
 * A server is what the gateway sends: its last status, its process as the supervisor sees it, whether it can be
 * reached, and its part in the membership in force.
 */

import { compareZxids, parts } from "./format.js";

/** @typedef {Record<string, any>} Server */
/** @typedef {"leader" | "follower" | "observer" | "looking" | "joining" | "outside" | "paused" | "down" | "starting" | "unreachable" | "unknown"} Look */

const DOWN = new Set(["killed", "stopped", "failed"]);
const JOINING = { discovery: "discovering", synchronization: "synchronizing", election: "joining" };

export class Model {
  constructor() {
    /** @type {Map<number, Server>} */
    this.servers = new Map();
    /** @type {Record<string, string[]>} */
    this.sessions = {};
    /** @type {Record<string, any>} */
    this.summary = {};
    this.named = true;
    this.supervised = false;
    /** Votes as each server has heard them: server -> voter -> whom it votes for. @type {Map<number, Map<number, number>>} */
    this.votes = new Map();
  }

  /** @param {any} frame `snapshot` or `servers` */
  take(frame) {
    if (frame.type === "snapshot") {
      this.servers.clear();
      this.named = frame.named;
      this.supervised = frame.supervised;
    }
    if (frame.sids) for (const sid of this.servers.keys()) if (!frame.sids.includes(sid)) this.servers.delete(sid);
    for (const server of frame.servers) {
      this.servers.set(server.sid, server);
      if (server.role !== "looking" || !server.reachable) this.votes.delete(server.sid);
    }
    // A supervisor that comes or goes is seen in the processes it tells of.
    if (frame.type === "servers") this.supervised = [...this.servers.values()].some((server) => server.process);
    this.sessions = frame.sessions_by_server ?? this.sessions;
    this.summary = frame.summary ?? this.summary;
  }

  /** @param {any[]} events @returns {boolean} whether a vote was among them */
  takeVotes(events) {
    let any = false;
    for (const event of events) {
      const notified = event.kind === "message" && event.type === "NOTIFICATION" && event.way === "received";
      if (notified || event.kind === "vote") {
        const heard = this.votes.get(event.sid) ?? new Map();
        heard.set(notified ? event.peer : event.sid, notified ? event.vote : event.leader);
        this.votes.set(event.sid, heard);
        any = true;
      }
    }
    return any;
  }

  /** @returns {Server[]} by sid */
  all() {
    return [...this.servers.values()].sort((a, b) => a.sid - b.sid);
  }

  /** @returns {Server | null} the one that leads, of the highest epoch if two think so */
  leader() {
    const leading = this.all().filter((server) => ["leader"].includes(look(server)));
    return leading.sort((a, b) => b.current_epoch - a.current_epoch)[0] ?? null;
  }

  /** @returns {boolean} whether some link is cut */
  faulty() {
    return this.all().some((server) => server.reachable && server.faults?.length);
  }

  /** @param {Server[]} servers a handful @returns {Server[]} the largest part of them whose links to each other are all whole */
  together(servers) {
    /** @type {Server[]} */
    let largest = [];
    /** @param {number} from @param {Server[]} part */
    const grow = (from, part) => {
      if (part.length > largest.length) largest = part;
      for (let index = from; index < servers.length; index += 1) {
        const next = servers[index];
        if (part.every((one) => !cuts(one, next.sid) && !cuts(next, one.sid))) grow(index + 1, [...part, next]);
      }
    };
    grow(0, []);
    return largest;
  }

  /** @param {number} one @param {number} other @returns {"cut" | "follows" | "follows observes" | "idle" | "gone"} */
  link(one, other) {
    const a = this.servers.get(one);
    const b = this.servers.get(other);
    if (!a || !b) return "gone";
    if (cuts(a, other) || cuts(b, one)) return "cut";
    if (isAway(a) || isAway(b)) return "gone";
    if (!follows(a, b) && !follows(b, a)) return "idle";
    return observes(a) || observes(b) ? "follows observes" : "follows";
  }
}

/** @param {Server} server @returns {Look} */
export function look(server) {
  const state = server.process?.state;
  if (DOWN.has(state)) return "down";
  if (state === "paused") return "paused";
  if (!server.reachable) return state === "starting" ? "starting" : server.role ? "unreachable" : "unknown";
  if (server.part === "none") return "outside";
  if (server.role === "looking") return "looking";
  if (server.phase !== "broadcast") return "joining";
  return server.role === "leading" ? "leader" : server.role === "observing" ? "observer" : "follower";
}

/** @param {Server} server @returns {string} the state in one word */
export function word(server) {
  const seen = look(server);
  if (seen === "down") return server.process.state;
  if (seen === "joining") {
    return server.role === "leading" ? "establishing" : JOINING[/** @type {keyof typeof JOINING} */ (server.phase)];
  }
  if (seen === "looking" && server.read_only) return "read-only";
  return seen === "unknown" ? "not heard of" : seen === "outside" ? "not a member" : seen;
}

/** @param {Server} server @returns {boolean} whether it only hears what was decided */
export function observes(server) {
  return server.part ? server.part === "observer" : server.role === "observing";
}

/** @param {Server} server @returns {boolean} whether nothing goes in or out of it */
export function isAway(server) {
  return ["down", "starting", "unreachable", "unknown"].includes(look(server));
}

/**
 * How far a server's log is behind the leader's.
 *
 * @param {Server} server
 * @param {Server | null} leader
 * @returns {number | null} transactions; `null` when the two are not of one epoch, or one is not known
 */
export function lag(server, leader) {
  if (!leader || !server.zxid_logged || isAway(server)) return null;
  const own = parts(server.zxid_logged);
  const its = parts(leader.zxid_logged);
  if (own.epoch !== its.epoch) return null;
  // The two statuses are of different moments, so a follower may seem ahead.
  return compareZxids(server.zxid_logged, leader.zxid_logged) >= 0 ? 0 : its.counter - own.counter;
}

/** @param {Server} server @param {number} peer */
function cuts(server, peer) {
  return server.reachable && (server.faults ?? []).some((/** @type {any} */ fault) => fault.peers.includes(peer));
}

/** By the follower's own account, as long as its leader holds the connection too. @param {Server} follower @param {Server} leader */
function follows(follower, leader) {
  if (leader.role !== "leading" || !["following", "observing"].includes(follower.role) || follower.leader !== leader.sid) return false;
  return leader.peers.some((/** @type {any} */ peer) => peer.sid === follower.sid && peer.connected);
}
