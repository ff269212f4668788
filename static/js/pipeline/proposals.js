/** The proposals the page knows, bounded, and what of the servers matters to them. No drawing. */

/** @typedef {import("./types.js").Proposal} Proposal */

export const KEPT_MAX = 400;
const KEPT_AFTER_FORGETTING = 300;
const LEADERS_MAX = 32;
/** This many zxids in a row that one power of two divides are no accident. */
const JUDGED_BY = 8;

export class Proposals {
  constructor() {
    /** @type {Map<string, Proposal>} by zxid */
    this.byZxid = new Map();
    /** @type {Map<number, any>} */
    this.servers = new Map();
    /** @type {Map<number, number>} who was seen to lead an epoch */
    this.leaders = new Map();
    this.named = true;
    this.leftOut = 0;
    /** The one a viewer looks at is kept, however old. @type {Proposal | null} */
    this.pinned = null;
    /** @type {number | null} */
    this.p50 = null;
    /** @type {number | null} */
    this.p99 = null;
  }

  /** @param {any} frame */
  onSnapshot(frame) {
    this.byZxid.clear();
    this.servers.clear();
    this.named = frame.named;
    this.leftOut = 0;
    this.onServers(frame);
    for (const proposal of frame.proposals) this.byZxid.set(proposal.zxid, proposal);
    const times = frame.proposals.flatMap((/** @type {Proposal} */ proposal) => proposal.committed ?? []);
    times.sort((/** @type {number} */ a, /** @type {number} */ b) => a - b);
    this.p50 = times[Math.floor(times.length * 0.5)] ?? null;
    this.p99 = times[Math.floor(times.length * 0.99)] ?? null;
  }

  /** @param {any} frame */
  onServers(frame) {
    for (const server of frame.servers) {
      this.servers.set(server.sid, server);
      const leads = server.reachable && server.role === "leading" && server.phase === "broadcast";
      if (leads) this.leaders.set(server.current_epoch, server.sid);
    }
    if (this.leaders.size > LEADERS_MAX) this.leaders.delete(Math.min(...this.leaders.keys()));
  }

  /** @param {any} frame */
  onProposals(frame) {
    for (const proposal of frame.proposals) this.byZxid.set(proposal.zxid, proposal);
    this.leftOut += frame.left_out ?? 0;
    this.p50 = frame.commit_ms_p50 ?? this.p50;
    this.p99 = frame.commit_ms_p99 ?? this.p99;
    if (this.byZxid.size > KEPT_MAX) {
      const kept = this.newest().slice(0, KEPT_AFTER_FORGETTING);
      this.byZxid = new Map(kept.map((proposal) => [proposal.zxid, proposal]));
    }
  }

  /** @param {string | null} zxid @returns {Proposal | null} the proposal, now or as it was last seen */
  pin(zxid) {
    if (zxid === null) this.pinned = null;
    else this.pinned = this.byZxid.get(zxid) ?? (this.pinned?.zxid === zxid ? this.pinned : null);
    return this.pinned;
  }

  /** @returns {Proposal[]} newest first */
  newest() {
    return [...this.byZxid.values()].sort((a, b) => b.epoch - a.epoch || b.counter - a.counter);
  }

  /** @returns {number} the newest epoch any server or proposal is in */
  epoch() {
    const told = [...this.servers.values()].filter((server) => server.reachable).map((server) => server.current_epoch ?? 0);
    return Math.max(0, ...told, ...[...this.byZxid.values()].map((proposal) => proposal.epoch));
  }

  /** @returns {any | null} the server that leads now */
  leader() {
    const leading = [...this.servers.values()].filter((server) => server.reachable && server.role === "leading");
    return leading.sort((a, b) => (b.current_epoch ?? 0) - (a.current_epoch ?? 0))[0] ?? null;
  }

  /** @returns {number[]} */
  voters() {
    const told = [...this.servers.values()].find((server) => server.voters)?.voters;
    return [...(told ?? this.servers.keys())].sort((a, b) => a - b);
  }

  /**
   * Servers trace the proposals whose zxid their stride divides, a power of two. It is read off the newest zxids here, since a
   * status may be older than they are.
   *
   * @returns {number} one of so many proposals is traced now
   */
  stride() {
    const told = [...this.servers.values()].filter((server) => server.reachable).map((server) => server.trace_stride ?? 1);
    const newest = this.newest().slice(0, JUDGED_BY);
    if (newest.length < JUDGED_BY || newest.some((proposal) => proposal.epoch !== newest[0].epoch)) return Math.max(1, ...told);
    const all = newest.reduce((bits, proposal) => bits | proposal.counter, 0);
    return Math.max(all & -all, 1, ...told);
  }

  /** @returns {boolean} whether some server's clock is only estimated here, and so are its times */
  estimated() {
    return [...this.servers.values()].some((server) => server.reachable && server.clock === "estimated");
  }
}
