/** The proposals this page knows, newest first, bounded. Updates replace; nothing here draws. */

import { compareZxids } from "./format.js";

const KEPT_MAX = 60;

/** @typedef {Record<string, any>} Proposal */

export class Proposals {
  constructor() {
    /** @type {Map<string, Proposal>} */
    this.byZxid = new Map();
    /** Zxids, newest first. @type {string[]} */
    this.order = [];
    this.leftOut = 0;
  }

  /** @param {Proposal[]} proposals all there are now */
  replace(proposals) {
    this.byZxid.clear();
    this.order = [];
    this.take({ proposals, left_out: 0 });
  }

  /** @param {{proposals: Proposal[], left_out: number}} frame */
  take(frame) {
    this.leftOut += frame.left_out;
    let fresh = false;
    const oldest = this.order.length >= KEPT_MAX ? this.order[this.order.length - 1] : null;
    for (const proposal of frame.proposals) {
      const known = this.byZxid.has(proposal.zxid);
      // A late stage of one let go already must not bring it back.
      if (!known && oldest !== null && compareZxids(proposal.zxid, oldest) < 0) continue;
      this.byZxid.set(proposal.zxid, proposal);
      fresh ||= !known;
    }
    if (!fresh) return;
    this.order = [...this.byZxid.keys()].sort((a, b) => compareZxids(b, a));
    for (const zxid of this.order.splice(KEPT_MAX)) this.byZxid.delete(zxid);
  }
}
