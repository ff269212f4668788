/** One row of the pipeline: made once, then filled; cells have fixed widths, so nothing moves when their text changes. */

import { hue, sessionText, visible } from "../stage/format.js";
import { html, set, setText } from "../stage/dom.js";
import { standing, standingText } from "./facts.js";
import { fillWaterfall, makeWaterfall } from "./waterfall.js";

/** @typedef {import("./types.js").Proposal} Proposal */
/** @typedef {{lanes: number[], epoch: number, scale: import("./scale.js").Scale, selected: string | null}} Around */

/** @param {string} zxid @returns {HTMLElement} */
export function makeRow(zxid) {
  const epoch = html("span", { class: "epoch" });
  const counter = html("span");
  const falls = html("td", { class: "falls" });
  falls.append(makeWaterfall());
  return html(
    "tr",
    { "data-row": "", "data-zxid": zxid, tabindex: -1 },
    html("td", { class: "mono z" }, epoch, " ", counter),
    html("td", { class: "op" }),
    html("td", {}, html("span", { class: "way" }, html("span"), html("span"))),
    html("td", { class: "mono who faint" }),
    falls,
    html("td", { class: "state" }, html("span")),
  );
}

/**
 * @param {HTMLElement} row
 * @param {Proposal} proposal
 * @param {Around} around
 */
export function fillRow(row, proposal, around) {
  const [z, op, path, who, falls, state] = row.children;
  const [epoch, counter] = z.children;
  setText(epoch, String(proposal.epoch));
  set(epoch, { class: `epoch ${hue(proposal.epoch)}` });
  setText(counter, String(proposal.counter));
  setText(op, proposal.op ?? "…");
  const shown = visible(proposal.path ?? (proposal.op === "multi" ? "several znodes" : ""));
  // Where there is little room the end of a path stays: that is what tells it from its neighbours.
  const [above, leaf] = /** @type {Element} */ (path.firstElementChild).children;
  const cut = Math.max(0, shown.lastIndexOf("/"));
  setText(above, shown.slice(0, cut));
  setText(leaf, shown.slice(cut));
  set(path, { title: proposal.path === null ? null : shown, class: proposal.path === null ? "path faint" : "mono path" });
  const at = proposal.server === null ? "" : ` @ s${proposal.server}`;
  setText(who, sessionText(proposal.session) + at);
  set(who, { title: proposal.session ?? null });
  fillWaterfall(/** @type {Element} */ (falls.firstElementChild), proposal, around.lanes, around.scale);
  const how = standing(proposal, around.epoch);
  const text = /** @type {Element} */ (state.firstElementChild);
  set(text, { class: how === "committed" ? "mono dim" : how === "open" ? "pill warn" : "pill" });
  setText(text, standingText(proposal, around.epoch));
  const chosen = around.selected === proposal.zxid;
  set(row, { class: `${how}${chosen ? " on" : ""}`, "aria-current": chosen ? "true" : null });
}
