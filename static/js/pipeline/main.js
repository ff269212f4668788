/** The Pipeline place: proposals from the stage's stream into rows, a filter, and one proposal in full. */

import { atMostEvery, say, set, setText } from "../stage/dom.js";
import { count, msText, plural } from "../stage/format.js";
import { Stream } from "../stream.js";
import { Detail } from "./detail.js";
import { scaledEnd } from "./facts.js";
import { fits, parse } from "./filter.js";
import { List } from "./list.js";
import { KEPT_MAX, Proposals } from "./proposals.js";
import { Scale } from "./scale.js";
import { fillAxis } from "./waterfall.js";

const ROWS_MAX = 80;
const DRAW_MS = 120;
const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));

class Pipeline {
  constructor() {
    this.proposals = new Proposals();
    this.scale = new Scale();
    const asked = new URLSearchParams(location.search);
    /** @type {string | null} */
    this.selected = asked.get("zxid");
    /** @type {import("./filter.js").Which} */
    this.which = /** @type {any} */ (["open", "refused"].find((which) => which === asked.get("show")) ?? "all");
    this.field = /** @type {HTMLInputElement} */ (byId("pipeline-find"));
    this.field.value = asked.get("find") ?? "";
    this.detail = new Detail(byId("pipeline-detail"));
    this.more = byId("pipeline-more");
    this.list = new List(byId("pipeline-rows"), {
      limit: ROWS_MAX,
      scroller: byId("pipeline-scroll"),
      onSelect: (zxid) => this.select(zxid),
      onWaiting: (waiting) => this.showWaiting(waiting),
      onReordered: (shown) => this.showWords(this.fitting().length, shown),
    });
    this.reason = "";
    this.draw = atMostEvery(DRAW_MS, () => requestAnimationFrame(() => this.show()));
    this.listen();
  }

  listen() {
    this.field.addEventListener("input", () => this.ask());
    this.field.form?.addEventListener("submit", (event) => event.preventDefault());
    for (const button of document.querySelectorAll("#pipeline-which button")) {
      button.addEventListener("click", () => {
        this.which = /** @type {any} */ (button.getAttribute("data-show"));
        this.ask();
      });
    }
    this.more.addEventListener("click", () => { this.list.release(); this.show(); });
    // Held rows come free when the pointer leaves, not only when the next frame comes.
    byId("pipeline-rows").addEventListener("pointerleave", () => this.draw());
    this.stream = new Stream()
      .on("snapshot", (frame) => { this.proposals.onSnapshot(frame); this.draw(); })
      .on("servers", (frame) => { this.proposals.onServers(frame); this.draw(); })
      .on("proposals", (frame) => { this.proposals.onProposals(frame); this.draw(); })
      .on("link", (frame) => { this.reason = frame.up ? "" : frame.reason; this.draw(); });
    this.stream.start();
    this.show();
  }

  /** The viewer asked for another list. */
  ask() {
    this.remember();
    this.list.release();
    this.show(true);
    say(plural(this.fitting().length, "proposal"));
  }

  /** @param {string} zxid */
  select(zxid) {
    if (this.selected === zxid) return;
    this.selected = zxid;
    this.remember();
    this.show();
    // Where there is no room beside the list, the detail is below it.
    const place = byId("place");
    const top = this.detail.root.offsetTop - place.offsetTop;
    if (top > 100) place.scrollTo({ top });
  }

  /** What is shown is in the address, so that it can be passed on. */
  remember() {
    const asked = new URLSearchParams();
    if (this.field.value) asked.set("find", this.field.value);
    if (this.which !== "all") asked.set("show", this.which);
    if (this.selected) asked.set("zxid", this.selected);
    history.replaceState(null, "", asked.size ? `?${asked}` : location.pathname);
  }

  /** @returns {import("./types.js").Proposal[]} */
  fitting() {
    const tests = parse(this.field.value);
    const epoch = this.proposals.epoch();
    return this.proposals.newest().filter((proposal) => fits(proposal, tests, this.which, epoch));
  }

  show(anew = false) {
    const { proposals } = this;
    const found = this.fitting();
    const epoch = proposals.epoch();
    const around = { voters: proposals.voters(), leaders: proposals.leaders, epoch, estimated: proposals.estimated() };
    // A new scale under the pointer would move every bar.
    if (!this.list.held() || anew) this.scale.fit(found.slice(0, ROWS_MAX).map(scaledEnd));
    fillAxis(byId("pipeline-axis"), this.scale);
    const shown = this.list.update(found, { ...around, scale: this.scale, selected: this.selected }, anew);
    this.detail.update(proposals.pin(this.selected), { ...around, asked: this.selected });
    this.showWords(found.length, shown);
    for (const button of document.querySelectorAll("#pipeline-which button")) {
      set(button, { "aria-pressed": String(button.getAttribute("data-show") === this.which) });
    }
  }

  /** @param {number} found @param {number} shown */
  showWords(found, shown) {
    const { proposals } = this;
    const known = proposals.byZxid.size;
    setText(byId("pipeline-p"), proposals.p50 === null ? "" : `p50 ${msText(proposals.p50)} · p99 ${msText(proposals.p99)}`);
    byId("pipeline-table").hidden = found === 0;
    byId("pipeline-none").hidden = known > 0;
    byId("pipeline-unmatched").hidden = known === 0 || found > 0;
    setText(byId("pipeline-kept"), plural(known, "proposal"));
    const words = [shown < found ? `newest ${count(shown)} of ${count(found)}` : plural(found, "proposal"), `the last ${count(KEPT_MAX)} are kept here`];
    if (proposals.leftOut) words.push(`${count(proposals.leftOut)} older ones were not sent`);
    setText(byId("pipeline-foot"), words.join(" · "));
    this.showSampling();
    const note = byId("pipeline-note");
    note.hidden = !this.reason;
    setText(note, this.reason ? `Not live: ${this.reason}. What is shown is the last that was heard.` : "");
  }

  showSampling() {
    const stride = this.proposals.stride();
    const line = byId("pipeline-sampled");
    line.hidden = stride === 1;
    if (stride === 1) return;
    const leader = this.proposals.leader();
    const exact = leader?.commits === undefined ? "" : ` Exact: ${plural(leader.commits, "commit")} on s${leader.sid} since it started.`;
    setText(line, `Busy: sampled 1 of ${stride}, the others are counted but not listed.${exact}`);
  }

  /** @param {number} waiting */
  showWaiting(waiting) {
    set(this.more, { "data-none": waiting ? null : "" });
    /** @type {HTMLButtonElement} */ (this.more).disabled = waiting === 0;
    if (waiting) setText(this.more, `+${count(waiting)} new`);
  }
}

if (document.getElementById("pipeline-rows")) new Pipeline();
