/**
 * Where servers stand: the leader on top, the others below it, for one to seven servers, wide or on a phone.
 *
 * Slot 0 is the top. Whoever leads takes it and gives its own slot to who was there, so that an election moves two
 * servers and leaves the others where the eye has them.
 */

const WIDE = { w: 236, h: 132 };
const NARROW_BELOW = 560;
const NARROW_H = 140;
const TOP = 22;
const SPREAD_MAX = 900;

/** @typedef {{x: number, y: number}} Point */
/** @typedef {{w: number, h: number, narrow: boolean, height: number, slots: Point[]}} Layout */

/**
 * @param {number} count servers
 * @param {number} width pixels there are
 * @returns {Layout} `x`, `y` are upper left corners
 */
export function layout(count, width) {
  const narrow = width < NARROW_BELOW;
  const w = narrow ? Math.floor((width - 10) / 2) : WIDE.w;
  const h = narrow ? NARROW_H : WIDE.h;
  const middle = Math.round((width - w) / 2);
  const spread = Math.min(width, SPREAD_MAX);
  const margin = narrow ? 0 : Math.round((width - spread) / 2 + Math.min(34, Math.max(0, (spread - 2 * w) / 8)));
  const alone = count === 1;
  const top = narrow ? 12 : alone ? 110 : TOP;
  const gap = narrow ? 112 : count <= 3 ? 152 : 64;
  /** @type {Point[]} */
  const slots = [{ x: middle, y: top }];
  rows(count - 1).forEach((row, index) => {
    const y = top + (index + 1) * (h + gap);
    if (row === "one") slots.push({ x: middle, y });
    else if (row === "inner" && !narrow) slots.push({ x: middle - w / 2 - 30, y }, { x: middle + w / 2 + 30, y });
    else slots.push({ x: margin, y }, { x: width - margin - w, y });
  });
  return { w, h, narrow, height: slots[slots.length - 1].y + h + (alone ? 110 : 18), slots };
}

/** @param {number} others @returns {("sides" | "inner" | "one")[]} */
function rows(others) {
  if (others <= 0) return [];
  if (others === 1) return ["one"];
  if (others === 2) return ["sides"];
  if (others <= 4) return ["sides", others === 3 ? "one" : "inner"];
  return ["sides", ...rows(others - 2)];
}

/**
 * Give every server a slot, moving as few as possible.
 *
 * @param {Map<number, number>} before
 * @param {number[]} sids
 * @param {number | null} leader
 * @returns {Map<number, number>} sid -> slot
 */
export function seats(before, sids, leader) {
  const known = sids.length === before.size && sids.every((sid) => before.has(sid));
  const inOrder = [...sids].sort((a, b) => Number(b === leader) - Number(a === leader) || a - b);
  const now = known ? new Map(before) : new Map(inOrder.map((sid, slot) => [sid, slot]));
  const own = leader === null ? undefined : now.get(leader);
  if (leader !== null && own) {
    for (const [sid, slot] of now) if (slot === 0) now.set(sid, own);
    now.set(leader, 0);
  }
  return now;
}

/**
 * The part of the straight line between two cards' centres that is outside of both.
 *
 * @param {Point} a upper left corner
 * @param {Point} b
 * @param {{w: number, h: number}} size
 * @returns {{from: Point, to: Point, length: number}}
 */
export function between(a, b, size) {
  const from = { x: a.x + size.w / 2, y: a.y + size.h / 2 };
  const to = { x: b.x + size.w / 2, y: b.y + size.h / 2 };
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  const reach = Math.min(dx ? size.w / 2 / Math.abs(dx) : Infinity, dy ? size.h / 2 / Math.abs(dy) : Infinity, 0.5);
  const start = { x: from.x + dx * reach, y: from.y + dy * reach };
  const end = { x: to.x - dx * reach, y: to.y - dy * reach };
  return { from: start, to: end, length: Math.hypot(end.x - start.x, end.y - start.y) };
}
