/** The stage as a table, for those who cannot see it. Not a live region: it changes too often to be read out. */

import { html, keep, setText } from "./dom.js";
import { zxidText } from "./format.js";
import { isAway, lag, word } from "./model.js";

/** @param {HTMLElement} body a `tbody` @param {import("./model.js").Model} model */
export function drawTwin(body, model) {
  const servers = model.all();
  const leader = model.leader();
  const rows = keep(body, servers.length, () => html("tr", {}, html("th", { scope: "row" }), ...Array.from({ length: 7 }, () => html("td"))));
  servers.forEach((server, index) => {
    const behind = lag(server, leader);
    const cut = (server.reachable ? server.faults ?? [] : []).flatMap((/** @type {any} */ fault) => fault.peers);
    const known = server.role !== undefined;
    const cells = [
      `s${server.sid}`,
      word(server),
      known ? String(server.current_epoch) : "not known",
      known ? zxidText(server.zxid_logged) : "not known",
      known ? zxidText(server.zxid_committed) : "not known",
      behind === null ? "not known" : String(behind),
      isAway(server) ? "0" : String((model.sessions[String(server.sid)] ?? []).length),
      cut.length ? cut.map((/** @type {number} */ peer) => `s${peer}`).join(", ") : "none",
    ];
    cells.forEach((text, cell) => setText(rows[index].children[cell], text));
  });
}
