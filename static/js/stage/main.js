/** The Ensemble place: joins the stream with the stage, the inspector, the invariants, the feed and the pipeline strip. */

import { Stream } from "../stream.js";
import { atMostEvery, html, keep, say, set, setText } from "./dom.js";
import { Feed } from "./feed.js";
import { count, names, plural } from "./format.js";
import { Inspector } from "./inspector.js";
import { Invariants } from "./invariants.js";
import { Model, isAway, look, observes, word } from "./model.js";
import { Pairing } from "./pairing.js";
import { Stage } from "./stage.js";
import { Strip } from "./strip.js";
import { drawTwin } from "./twin.js";

/** A message held back at the source makes every missing receipt of the next while inconclusive. */
const UNSURE_MS = 2000;
const TOLD_MS = 4000;
const UNWATCHED = "Only the client ports of these servers are known: the tree can be looked at, what they do cannot. Ours tell it at their admin ports, named as in COORDINATOR_SERVERS=1=host:2181=http://host:9181.";
const NOBODY = "No server answers. What is drawn is what was heard last; select a server to see why, or to start it.";

/** @param {string} id @returns {any} */
const byId = (id) => document.getElementById(id);

/** A count of what happened in one go: it begins anew after a quiet while. */
class Lately {
  constructor() {
    this.number = 0;
    this.at = -Infinity;
  }

  /** @param {number} more @param {number} now */
  add(more, now) {
    if (!more) return;
    this.number = this.count(now) + more;
    this.at = now;
  }

  /** @param {number} now */
  count(now) {
    return now - this.at < TOLD_MS ? this.number : 0;
  }
}

class Place {
  constructor() {
    this.model = new Model();
    this.stage = new Stage(byId("stage"), this.model);
    this.inspector = new Inspector(byId("inspector"));
    this.invariants = new Invariants();
    this.feed = new Feed(byId("feed"));
    this.pairing = new Pairing();
    this.strip = new Strip(byId("strip"));
    /** @type {number | null} */
    this.selected = null;
    this.linked = true;
    this.unsureUntil = 0;
    this.notDrawn = new Lately();
    this.leftOut = new Lately();
    /** @type {Map<number, string>} */
    this.words = new Map();
    this.drawSlow = atMostEvery(1000, () => drawTwin(byId("twin"), this.model));
  }

  start() {
    const stage = this.stage.root;
    stage.addEventListener("click", (event) => this.pickFrom(event.target));
    stage.addEventListener("keydown", (event) => this.onKey(event));
    document.addEventListener("panel:pause", (event) => this.stage.setPaused(/** @type {CustomEvent} */ (event).detail.paused));
    document.addEventListener("visibilitychange", () => document.hidden && this.clearFlights());
    new Stream()
      .on("snapshot", (frame) => this.onSnapshot(frame))
      .on("servers", (frame) => this.onServers(frame))
      .on("events", (frame) => this.onEvents(frame))
      .on("missed", (frame) => this.onMissed(frame))
      .on("proposals", (frame) => {
        this.strip.take(frame);
        this.feed.addCommits(frame.proposals, this.model.leader()?.sid ?? null);
      })
      .on("link", (frame) => this.onLink(frame))
      .start();
  }

  /** @param {any} frame */
  onSnapshot(frame) {
    this.clearFlights();
    this.onServers(frame);
  }

  /** @param {any} frame */
  onServers(frame) {
    this.model.take(frame);
    const sids = this.model.all().map((server) => server.sid);
    if (this.selected === null || !sids.includes(this.selected)) this.selected = this.model.leader()?.sid ?? sids[0] ?? null;
    this.stage.update();
    this.stage.select(this.selected);
    this.strip.take(frame);
    this.showAside();
    this.showStates();
    this.tellChanges();
    this.drawSlow();
  }

  /** @param {any} frame */
  onEvents(frame) {
    const now = performance.now();
    if (frame.dropped) this.unsureUntil = now + UNSURE_MS;
    this.notDrawn.add(this.stage.fly(this.pairing.take(frame.events), now > this.unsureUntil), now);
    this.leftOut.add(frame.dropped, now);
    for (const event of frame.events) {
      if (event.kind === "session" || (event.kind === "watch" && event.what === "fired")) this.stage.cards.get(event.sid)?.flash(event.session);
    }
    if (this.model.takeVotes(frame.events)) this.stage.update();
    this.feed.add(frame.events);
    this.showSubtitle();
  }

  /** What happened while paused is told in words, not flown. @param {any} frame */
  onMissed(frame) {
    this.clearFlights();
    this.feed.add(frame.events);
  }

  /** @param {any} frame */
  onLink(frame) {
    if (frame.up === this.linked) return;
    this.linked = frame.up;
    if (!frame.up) this.clearFlights();
    byId("stage").classList.toggle("stale", !frame.up);
    this.showSubtitle();
  }

  clearFlights() {
    this.stage.flights.clear();
    this.stage.packets.clear();
    this.pairing = new Pairing();
  }

  /** @param {EventTarget | null} target */
  pickFrom(target) {
    const sid = target instanceof Element ? target.closest("[data-sid]")?.getAttribute("data-sid") : null;
    if (sid) this.pick(Number(sid), true);
  }

  /** @param {number} sid @param {boolean} focus */
  pick(sid, focus) {
    this.selected = sid;
    this.stage.select(sid);
    this.showAside();
    if (focus) /** @type {SVGElement | undefined} */ (this.stage.cards.get(sid)?.group)?.focus();
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (this.selected === null) return;
    if (event.key === "Enter") {
      this.pickFrom(event.target);
      /** @type {HTMLElement | null} */ (byId("inspector").querySelector("[data-action]"))?.focus();
    } else if (event.key === " ") {
      this.pickFrom(event.target);
    } else if (event.key.startsWith("Arrow")) {
      this.pick(this.stage.neighbour(this.selected, /** @type {any} */ (event.key)), true);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  showAside() {
    const server = this.selected === null ? null : this.model.servers.get(this.selected) ?? null;
    byId("inspector").hidden = !server;
    this.inspector.show(server, this.model);
    const items = keep(byId("invariants"), 5, () => html("li", { tabindex: 0 }, html("i", { "aria-hidden": "true" }), html("span"), " ", html("span", { class: "faint mono" }), html("span", { class: "why" })));
    this.invariants.judge(this.model.all()).forEach((judged, index) => {
      const [, label, detail, why] = items[index].children;
      set(items[index], { "data-state": judged.state, "data-invariant": judged.id });
      setText(label, judged.label);
      setText(detail, judged.state === "violated" ? `not so: ${judged.detail}` : judged.detail);
      setText(why, judged.why);
    });
  }

  /** Head, empty states, subtitle. */
  showStates() {
    const servers = this.model.all();
    const heal = /** @type {HTMLButtonElement} */ (byId("heal"));
    const faulty = this.model.faulty();
    heal.disabled = !faulty;
    heal.title = faulty ? "Mend every link" : "No link is cut";
    const none = !servers.length || !this.model.named;
    byId("no-ensemble").hidden = !none;
    const why = none ? "" : this.whatIsWrong();
    byId("nobody").hidden = !why;
    setText(byId("nobody"), why);
    byId("stage").classList.toggle("absent", none);
    byId("stage-actions").hidden = none;
    this.showSubtitle();
  }

  /** @returns {string} why nothing is heard, or nobody leads and nobody can; empty when all is as it should be */
  whatIsWrong() {
    if (this.stage.anyone()) return withoutQuorum(this.model);
    return this.model.summary.phase === "unwatched" ? UNWATCHED : NOBODY;
  }

  showSubtitle() {
    const servers = this.model.all();
    const observers = servers.filter(observes).length;
    const said = [plural(servers.length, "server") + (observers ? `, ${observers} of them ${observers === 1 ? "an observer" : "observers"}` : "")];
    if (!this.linked) {
      said.push("the panel does not answer: this is what was seen last");
    } else {
      said.push(this.stage.still.matches ? "packets stand on their link for a moment" : "packets slowed for the eye");
      const stride = Math.max(1, ...servers.map((server) => server.trace_stride ?? 1));
      if (stride > 1) said.push(`1 in ${count(stride)} proposals traced`);
      const now = performance.now();
      if (this.notDrawn.count(now)) said.push(`${plural(this.notDrawn.count(now), "packet")} not drawn`);
      if (this.leftOut.count(now)) said.push(`busy: ${plural(this.leftOut.count(now), "event")} left out`);
    }
    setText(byId("stage-subtitle"), servers.length ? said.join(" · ") : "");
  }

  /** Say aloud what changed in kind: a server fell, an election was won. */
  tellChanges() {
    for (const server of this.model.all()) {
      const now = word(server);
      const before = this.words.get(server.sid);
      this.words.set(server.sid, now);
      if (before !== undefined && before !== now) say(`s${server.sid} is ${now}${look(server) === "leader" ? ` of epoch ${server.current_epoch}` : ""}`);
    }
  }
}

/** @param {Model} model @returns {string} why nobody leads and nobody can, if that is so */
function withoutQuorum(model) {
  const voters = model.all().find((server) => server.voters)?.voters ?? [];
  const need = Math.floor(voters.length / 2) + 1;
  const up = model.all().filter((server) => voters.includes(server.sid) && !isAway(server) && look(server) !== "paused");
  if (!voters.length || model.leader() || model.together(up).length >= need) return "";
  const who = names(up.map((server) => server.sid));
  const wait = "Nothing can be written until";
  if (!up.length) return `No voter answers. ${wait} ${need} of ${voters.length} do.`;
  if (up.length < need) return `Of ${plural(voters.length, "voter")} only ${who} ${up.length === 1 ? "answers" : "answer"}, and a leader needs ${need}. ${wait} another is started.`;
  return `With the links that are cut, no part of ${who} has the ${need} of ${voters.length} voters a leader needs. ${wait} they are healed.`;
}

new Place().start();
