/**
 * The socket of the drawn places: `/ws/stage/`, as frames for whoever listens.
 *
 * It comes back after every loss (the server then sends a whole snapshot, so nothing has to be asked for), and
 * while the viewer has paused it keeps what is newest and counts the rest. It knows nothing of drawing.
 *
 * Frames: `snapshot`, `servers`, `events`, `proposals`, `unavailable` as the server sends them, and of its own
 * `link` ({up, retry_ms, reason}) and `missed` ({events, count}: what happened while paused).
 */

const RETRY_MS_MIN = 300;
const RETRY_MS_MAX = 8000;
/** A connection that lived this long was a good one; the next retry starts from the beginning. */
const GOOD_AFTER_MS = 5000;
const KEPT_PROPOSALS_MAX = 300;
const KEPT_EVENTS_MAX = 60;
const BEHIND_EVERY_MS = 250;

/** @typedef {{type: string, [key: string]: any}} Frame */

export class Stream {
  constructor() {
    /** @type {Map<string, ((frame: Frame) => void)[]>} */
    this.listeners = new Map();
    this.paused = document.documentElement.dataset.paused === "yes";
    this.retryMs = RETRY_MS_MIN;
    this.kept = new Kept();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.telling = undefined;
    document.addEventListener("panel:pause", (event) => {
      this.setPaused(/** @type {CustomEvent} */ (event).detail.paused);
    });
  }

  /**
   * @param {string} type
   * @param {(frame: any) => void} listener
   */
  on(type, listener) {
    this.listeners.set(type, [...(this.listeners.get(type) ?? []), listener]);
    return this;
  }

  /** Draw the page's own snapshot, then connect. */
  start() {
    const first = document.getElementById("stage-snapshot")?.textContent;
    if (first) this.tell(JSON.parse(first));
    this.connect();
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}/ws/stage/`);
    let openedAt = 0;
    let reason = "the panel does not answer";
    socket.addEventListener("open", () => {
      openedAt = performance.now();
      this.tell({ type: "link", up: true });
    });
    socket.addEventListener("message", (event) => {
      const frame = JSON.parse(event.data);
      if (frame.type === "unavailable") reason = frame.reason;
      this.take(frame);
    });
    socket.addEventListener("close", () => {
      if (openedAt && performance.now() - openedAt > GOOD_AFTER_MS) this.retryMs = RETRY_MS_MIN;
      this.tell({ type: "link", up: false, reason, retry_ms: this.retryMs });
      setTimeout(() => this.connect(), this.retryMs);
      this.retryMs = Math.min(RETRY_MS_MAX, this.retryMs * 2);
    });
  }

  /** @param {Frame} frame */
  take(frame) {
    if (!this.paused) {
      this.tell(frame);
      return;
    }
    this.kept.add(frame);
    this.telling ??= setTimeout(() => {
      this.telling = undefined;
      if (this.paused) tellBehind(this.kept.count);
    }, BEHIND_EVERY_MS);
  }

  /** @param {boolean} paused */
  setPaused(paused) {
    if (paused === this.paused) return;
    this.paused = paused;
    if (paused) {
      this.kept = new Kept();
    } else {
      for (const frame of this.kept.frames()) this.tell(frame);
      this.kept = new Kept();
    }
    tellBehind(0);
  }

  /** @param {Frame} frame */
  tell(frame) {
    for (const listener of this.listeners.get(frame.type) ?? []) listener(frame);
  }
}

/** What arrived while paused: the newest state of everything, and how many events there were. */
class Kept {
  constructor() {
    this.count = 0;
    /** @type {Frame | null} */
    this.snapshot = null;
    /** @type {Map<number, any>} */
    this.servers = new Map();
    /** @type {Frame | null} */
    this.lastServers = null;
    /** @type {Map<string, any>} */
    this.proposals = new Map();
    /** @type {Frame | null} */
    this.lastProposals = null;
    /** @type {any[]} */
    this.events = [];
  }

  /** @param {Frame} frame */
  add(frame) {
    if (frame.type === "snapshot") {
      const count = this.count;
      Object.assign(this, new Kept(), { snapshot: frame, count });
    } else if (frame.type === "servers") {
      for (const server of frame.servers) this.servers.set(server.sid, server);
      this.lastServers = frame;
    } else if (frame.type === "proposals") {
      for (const proposal of frame.proposals) {
        if (!this.proposals.delete(proposal.zxid)) this.count += 1;
        this.proposals.set(proposal.zxid, proposal);
      }
      for (const zxid of this.proposals.keys()) {
        if (this.proposals.size <= KEPT_PROPOSALS_MAX) break;
        this.proposals.delete(zxid);
      }
      this.lastProposals = frame;
    } else if (frame.type === "events") {
      this.count += frame.events.length + frame.dropped;
      this.events = [...this.events, ...frame.events].slice(-KEPT_EVENTS_MAX);
    }
  }

  /** @returns {Frame[]} what brings a listener up to date */
  frames() {
    /** @type {Frame[]} */
    const frames = this.snapshot ? [this.snapshot] : [];
    if (this.lastServers) frames.push({ ...this.lastServers, servers: [...this.servers.values()] });
    if (this.lastProposals) {
      frames.push({ ...this.lastProposals, proposals: [...this.proposals.values()] });
    }
    if (this.count) frames.push({ type: "missed", events: this.events, count: this.count });
    return frames;
  }
}

/** @param {number} count */
function tellBehind(count) {
  document.dispatchEvent(new CustomEvent("panel:behind", { detail: { count } }));
}
