/**
 * What must hold of any ZAB ensemble, judged from what its servers say of themselves. Pure.
 *
 * Statuses of different servers are of slightly different moments. Each judgement therefore compares only what does
 * not change with time (the digest *at* a zxid, the order of committed zxids, who led an epoch) or stays within one
 * status; where that is not enough it says that it cannot judge, and why.
 */

import { compareZxids, names, zxidText } from "./format.js";
import { isAway, lag, look } from "./model.js";

/** @typedef {import("./model.js").Server} Server */
/** @typedef {{id: string, label: string, state: "ok" | "violated" | "unknown", detail: string, why: string}} Judgement */

const DIGESTS_KEPT = 400;
const NEAR = 100;

export class Invariants {
  constructor() {
    this.forget();
  }

  /** Begin anew: after a gap, or when another history began. */
  forget() {
    /** Who was seen to lead each epoch. @type {Map<number, Set<number>>} */
    this.leaders = new Map();
    /** The digests told at each zxid. @type {Map<string, Map<number, string>>} */
    this.digests = new Map();
    /** @type {string | null} */
    this.agreedAt = null;
    this.highest = 0;
  }

  /** @param {Server[]} servers */
  see(servers) {
    const live = servers.filter((server) => !isAway(server) && server.role);
    const highest = Math.max(0, ...live.map((server) => server.current_epoch));
    if (live.length === servers.length && highest < this.highest) this.forget();
    this.highest = Math.max(this.highest, highest);
    for (const server of live) {
      if (server.role === "leading" && server.phase === "broadcast") {
        const seen = this.leaders.get(server.current_epoch) ?? new Set();
        this.leaders.set(server.current_epoch, seen.add(server.sid));
      }
      const told = this.digests.get(server.digest_zxid) ?? new Map();
      told.set(server.sid, server.digest);
      this.digests.set(server.digest_zxid, told);
      if (told.size > 1 && (this.agreedAt === null || compareZxids(server.digest_zxid, this.agreedAt) > 0)) {
        this.agreedAt = server.digest_zxid;
      }
    }
    for (const zxid of this.digests.keys()) {
      if (this.digests.size <= DIGESTS_KEPT) break;
      this.digests.delete(zxid);
    }
  }

  /** @param {Server[]} servers @returns {Judgement[]} */
  judge(servers) {
    this.see(servers);
    const live = servers.filter((server) => !isAway(server) && server.role);
    const judged = [this.oneLeader(), prefixes(live), onQuorum(live), this.digestsEqual(), near(live)];
    // What held until now need not hold any more; what was violated stays so.
    return live.length ? judged : judged.map((one) => (one.state === "ok" ? unknown(one.id, one.label, "No server can be heard.") : one));
  }

  /** @returns {Judgement} */
  oneLeader() {
    const label = "one leader per epoch";
    for (const [epoch, sids] of this.leaders) {
      if (sids.size > 1) return violated("leader", label, `epoch ${epoch}`, `${names([...sids])} both led epoch ${epoch}.`);
    }
    if (!this.leaders.size) return unknown("leader", label, "No leader was seen since this page was opened.");
    return ok("leader", label, `epoch ${this.highest}`, "Since this page was opened no two servers led the same epoch.");
  }

  /** @returns {Judgement} */
  digestsEqual() {
    const label = "tree digests equal";
    for (const [zxid, told] of this.digests) {
      if (new Set(told.values()).size > 1) {
        return violated("digest", label, `at ${zxidText(zxid)}`, `At ${zxidText(zxid)} the trees of ${names([...told.keys()])} differ.`);
      }
    }
    if (this.agreedAt === null) return unknown("digest", label, "No two servers told their digest at the same zxid yet.");
    return ok("digest", label, `at ${zxidText(this.agreedAt)}`, "Trees of different servers were compared whenever their digests were of the same zxid.");
  }
}

/** @param {Server[]} live @returns {Judgement} the ends of the logs, as far as they overlap */
function prefixes(live) {
  const label = "committed prefixes agree";
  const ends = live.map((server) => ({
    sid: server.sid,
    zxids: server.log.filter((/** @type {any} */ entry) => entry.committed).map((/** @type {any} */ entry) => entry.zxid),
  })).filter((end) => end.zxids.length);
  /** @type {string | null} */
  let upTo = null;
  for (let one = 0; one < ends.length; one += 1) {
    for (let other = one + 1; other < ends.length; other += 1) {
      const [a, b] = [ends[one], ends[other]];
      const low = larger(a.zxids[0], b.zxids[0]);
      const high = smaller(a.zxids[a.zxids.length - 1], b.zxids[b.zxids.length - 1]);
      const within = (/** @type {string} */ zxid) => compareZxids(zxid, low) >= 0 && compareZxids(zxid, high) <= 0;
      const [mine, its] = [a.zxids.filter(within), b.zxids.filter(within)];
      if (!mine.length && !its.length) continue;
      if (mine.join() !== its.join()) {
        const first = mine.find((/** @type {string} */ zxid, /** @type {number} */ index) => zxid !== its[index]) ?? its[mine.length];
        return violated("prefix", label, `not at ${zxidText(first)}`, `s${a.sid} and s${b.sid} committed different transactions around ${zxidText(first)}.`);
      }
      upTo = upTo === null ? high : larger(upTo, high);
    }
  }
  if (upTo === null) return unknown("prefix", label, live.length < 2 ? "Fewer than two servers can be heard." : "The ends of the logs do not overlap now.");
  return ok("prefix", label, `to ${zxidText(upTo)}`, "Compared over the part of each log's end that two servers show.");
}

/** @param {Server[]} live @returns {Judgement} by the leader's own account */
function onQuorum(live) {
  const label = "acknowledged writes are on a quorum";
  const leader = live.find((server) => look(server) === "leader");
  if (!leader) return unknown("quorum", label, "There is no leader to ask.");
  const committed = leader.zxid_committed;
  const need = Math.floor(leader.voters.length / 2) + 1;
  const peers = leader.peers.filter((/** @type {any} */ peer) => leader.voters.includes(peer.sid));
  const holders = peers.filter((/** @type {any} */ peer) => peer.sid !== leader.sid && peer.zxid_acked !== null && compareZxids(peer.zxid_acked, committed) >= 0);
  const own = compareZxids(leader.zxid_durable, committed) >= 0 ? 1 : 0;
  const have = holders.length + own;
  if (have >= need) return ok("quorum", label, `${have} of ${leader.voters.length}`, `${zxidText(committed)} is durable on ${have} of ${leader.voters.length} voters; ${need} are needed.`);
  const silent = peers.filter((/** @type {any} */ peer) => peer.sid !== leader.sid && peer.connected && peer.zxid_acked === null).length;
  const away = leader.voters.length - 1 - peers.filter((/** @type {any} */ peer) => peer.sid !== leader.sid && peer.connected).length;
  if (have + silent + away >= need) {
    return unknown("quorum", label, `${zxidText(committed)} is seen on ${have} of ${leader.voters.length} voters; the others are away or have acked nothing yet.`);
  }
  return violated("quorum", label, zxidText(committed), `${zxidText(committed)} is committed but acked by ${have} of ${leader.voters.length} voters only.`);
}

/** @param {Server[]} live @returns {Judgement} not a matter of safety, but of what a failover would cost */
function near(live) {
  const label = `servers within ${NEAR} of the leader`;
  const leader = live.find((server) => look(server) === "leader") ?? null;
  if (!leader) return unknown("lag", label, "There is no leader to compare with.");
  const others = live.filter((server) => server.sid !== leader.sid);
  const lags = others.map((server) => ({ sid: server.sid, lag: lag(server, leader) }));
  const behind = lags.filter((one) => one.lag === null || one.lag > NEAR);
  if (behind.length) {
    const said = behind.map((one) => (one.lag === null ? `s${one.sid} ends in another epoch` : `s${one.sid} is ${one.lag} behind`));
    return violated("lag", label, names(behind.map((one) => one.sid)), `${said.join(", ")}. Not unsafe, but it does not count towards a quorum.`);
  }
  if (!others.length) return unknown("lag", label, "The leader is the only one that can be heard.");
  return ok("lag", label, `at most ${Math.max(...lags.map((one) => one.lag ?? 0))}`, "Transactions logged by the leader and not yet by the last of the others.");
}

/** @param {string} a @param {string} b */
const larger = (a, b) => (compareZxids(a, b) >= 0 ? a : b);
/** @param {string} a @param {string} b */
const smaller = (a, b) => (compareZxids(a, b) <= 0 ? a : b);

/** @param {string} id @param {string} label @param {string} detail @param {string} why @returns {Judgement} */
const ok = (id, label, detail, why) => ({ id, label, state: "ok", detail, why });
/** @param {string} id @param {string} label @param {string} detail @param {string} why @returns {Judgement} */
const violated = (id, label, detail, why) => ({ id, label, state: "violated", detail, why });
/** @param {string} id @param {string} label @param {string} why @returns {Judgement} */
const unknown = (id, label, why) => ({ id, label, state: "unknown", detail: "cannot be judged", why });
