/** How ids, zxids, times and sizes are written. 64-bit numbers arrive as strings and go through BigInt. */

const EPOCH_HUES = 6;

/**
 * @param {string} zxid decimal digits, signed or unsigned
 * @returns {{epoch: number, counter: number}}
 */
export function parts(zxid) {
  const value = BigInt.asUintN(64, BigInt(zxid));
  return { epoch: Number(value >> 32n), counter: Number(value & 0xffffffffn) };
}

/** @param {string | null | undefined} zxid @returns {string} `epoch:counter` */
export function zxidText(zxid) {
  if (zxid === null || zxid === undefined) return "–";
  const { epoch, counter } = parts(zxid);
  return `${epoch}:${counter}`;
}

/** @param {string} zxid @returns {string} as ZooKeeper's own tools write it */
export function zxidHex(zxid) {
  return `0x${BigInt.asUintN(64, BigInt(zxid)).toString(16)}`;
}

/** @param {string} one @param {string} other @returns {number} for sorting, smallest first */
export function compareZxids(one, other) {
  const a = BigInt(one);
  const b = BigInt(other);
  return a < b ? -1 : a > b ? 1 : 0;
}

/** @param {number} epoch @returns {string} the class of one of six hues; print the number beside it */
export function hue(epoch) {
  return `hue-${epoch % EPOCH_HUES}`;
}

/** As the lists have it: the top byte, which names the server that opened it, and its end. @param {string | null} session @returns {string} `0x2…7f05` */
export function sessionText(session) {
  if (!session) return "";
  const digits = session.replace(/^0x/, "").padStart(16, "0");
  return session.length <= 8 ? session : `0x${digits.slice(0, 2).replace(/^0+/, "")}…${digits.slice(-4)}`;
}

/** @param {number | null | undefined} ms */
export function msText(ms) {
  if (ms === null || ms === undefined) return "–";
  const size = Math.abs(ms);
  if (size >= 10_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${size >= 100 ? ms.toFixed(0) : size >= 0.095 || size === 0 ? ms.toFixed(1) : ms.toFixed(2)} ms`;
}

/** @param {number | null | undefined} ms @returns {string} `00:41`, `1:02:03` or `3 days` */
export function spanText(ms) {
  if (ms === null || ms === undefined) return "–";
  const seconds = Math.floor(ms / 1000);
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  if (hours >= 48) return `${Math.floor(hours / 24)} days`;
  const rest = `${two(Math.floor((seconds % 3600) / 60))}:${two(seconds % 60)}`;
  return hours ? `${hours}:${rest}` : rest;
}

/** @param {number | null | undefined} bytes */
export function bytesText(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KiB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

/** @param {number} number */
export function count(number) {
  return number.toLocaleString("en-US");
}

/** @param {number} number @param {string} one @param {string} [many] */
export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** @param {number} wall seconds since 1970 @returns {string} minutes, seconds and milliseconds of the hour */
export function momentText(wall) {
  const date = new Date(wall * 1000);
  const pad = (/** @type {number} */ n, /** @type {number} */ to) => String(n).padStart(to, "0");
  return `${pad(date.getMinutes(), 2)}:${pad(date.getSeconds(), 2)}.${pad(date.getMilliseconds(), 3)}`;
}

/** Who has no vote (an observer) names nobody, and only asks. @param {number} sid whom a notification names */
export function voteText(sid) {
  return sid > 0 ? `votes s${sid}` : "asks who leads";
}

/** @param {number[]} sids @returns {string} `s1, s2 and s3` */
export function names(sids) {
  const all = sids.map((sid) => `s${sid}`);
  return all.length < 2 ? all.join("") : `${all.slice(0, -1).join(", ")} and ${all[all.length - 1]}`;
}

/**
 * Make invisible and direction-changing characters of a name visible as code points.
 *
 * @param {string} text
 */
export function visible(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (c) => `\\u${c.codePointAt(0)?.toString(16).padStart(4, "0")}`);
}
