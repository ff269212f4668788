/** The Pipeline place: every traced proposal through its stages, a filter, and one of them in detail. */

import { setText } from "../stage/dom.js";
import { count, msText } from "../stage/format.js";
import { Stream } from "../stream.js";
import { Detail } from "./detail.js";
import { Proposals } from "./proposals.js";
import { PipelineTable } from "./table.js";

const ROWS_MAX = 300;
const EVERY_MS = 300;

/** @param {string} id @returns {any} */
const byId = (id) => document.getElementById(id);

class Place {
  constructor() {
    const asked = new URLSearchParams(location.search);
    /** @type {Map<number, any>} */
    this.servers = new Map();
    this.proposals = new Proposals();
    this.detail = new Detail(byId("proposal"));
    this.table = new PipelineTable(byId("pipeline"), this.proposals, { limit: ROWS_MAX, everyMs: EVERY_MS, onPick: (zxid) => this.pick(zxid) });
    this.find = /** @type {HTMLInputElement} */ (byId("pipeline-find"));
    this.find.value = asked.get("find") ?? "";
    this.table.query = this.find.value;
    this.asked = /^\d{1,20}$/.test(asked.get("zxid") ?? "") ? asked.get("zxid") : null;
    this.table.selected = this.asked;
  }

  start() {
    this.find.addEventListener("input", () => this.filter());
    this.find.form?.addEventListener("submit", (event) => event.preventDefault());
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !document.querySelector("dialog[open]")) this.pick(null);
    });
    new Stream()
      .on("snapshot", (frame) => {
        this.proposals.replace(frame.proposals);
        this.servers.clear();
        this.onServers(frame);
        this.changed();
      })
      .on("servers", (frame) => this.onServers(frame))
      .on("proposals", (frame) => {
        this.proposals.take(frame);
        setText(byId("pipeline-times"), `p50 ${msText(frame.commit_ms_p50)} · p99 ${msText(frame.commit_ms_p99)}`);
        this.changed();
      })
      .on("link", (frame) => byId("pipeline").classList.toggle("stale", !frame.up))
      .start();
  }

  /** @param {any} frame */
  onServers(frame) {
    for (const server of frame.servers) this.servers.set(server.sid, server);
    this.table.setServers([...this.servers.values()]);
    this.showNote();
  }

  changed() {
    this.table.draw();
    this.showDetail();
    this.showNote();
  }

  showNote() {
    const stride = Math.max(1, ...[...this.servers.values()].map((server) => server.trace_stride ?? 1));
    const said = [];
    if (stride > 1) said.push(`Under this load 1 in ${count(stride)} proposals is traced; the counts in the top bar are exact.`);
    if (this.proposals.leftOut) said.push(`${count(this.proposals.leftOut)} updates of older proposals were left out.`);
    byId("pipeline-note").hidden = !said.length;
    setText(byId("pipeline-note"), said.join(" "));
    setText(byId("pipeline-foot"), `The newest ${count(Math.min(this.proposals.order.length, ROWS_MAX))} proposals this page has seen, at most ${ROWS_MAX}`);
  }

  showDetail() {
    const zxid = this.table.selected;
    const proposal = zxid === null ? null : this.proposals.byZxid.get(zxid) ?? null;
    // One that scrolled out of memory stays in view as it was seen last.
    if (zxid !== null && !proposal && this.detail.shown?.zxid === zxid) return;
    this.detail.show(proposal, this.table.sids);
  }

  filter() {
    this.table.filter(this.find.value.trim());
    this.remember();
  }

  /** @param {string | null} zxid */
  pick(zxid) {
    this.table.select(zxid);
    this.showDetail();
    this.remember();
  }

  /** Keep filter and selection in the address. */
  remember() {
    const asked = new URLSearchParams();
    if (this.find.value.trim()) asked.set("find", this.find.value.trim());
    if (this.table.selected) asked.set("zxid", this.table.selected);
    history.replaceState(null, "", `${location.pathname}${asked.size ? `?${asked}` : ""}`);
  }
}

new Place().start();
