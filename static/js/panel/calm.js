// Nothing moves under the pointer. Regions marked data-calm hold rows that come, go or change places while the pointer is
// over them or keys move the focus inside; what rows say passes. A button tells how much is held and shows it.

const ROWS = '[role="treeitem"][id], tr[id], .chain > li[id]';
const KEYS_REST_MS = 1500;
const SHOW_WITHIN_MS = 2000;

/** What is known of a region, by its id: the region itself may be drawn anew. */
const known = new Map();
let askAnew = false;

/** Start holding. */
export function startCalm() {
  document.body.addEventListener("htmx:oobBeforeSwap", (event) => calm(event.detail.target, event.detail.fragment));
  document.body.addEventListener("htmx:oobAfterSwap", showAll);
  document.body.addEventListener("htmx:wsConfigSend", (event) => {
    if (askAnew) event.detail.parameters.anew = "1";
    askAnew = false;
  });
  document.body.addEventListener("htmx:afterSwap", (event) => event.detail.target && forgetWithin(event.detail.target));
  document.addEventListener("mouseover", releaseQuiet);
  document.documentElement.addEventListener("mouseleave", () => setTimeout(releaseQuiet, 0));
  // Before anyone else: the tree keeps its keys to itself.
  document.addEventListener("keydown", (event) => {
    const region = event.target instanceof Element && event.target.closest("[data-calm]");
    if (!region) return;
    stateOf(region).keysUntil = performance.now() + KEYS_REST_MS;
    setTimeout(releaseQuiet, KEYS_REST_MS + 20);
  }, true);
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element && event.target.closest("[data-held]");
    if (button) release(button.closest("[data-calm]"));
  });
}

/** Keep the rows of busy regions where they are. @param {Element} target @param {DocumentFragment} fragment what comes */
function calm(target, fragment) {
  const root = fragment.firstElementChild;
  if (!root) return;
  const around = target.closest("[data-calm]");
  if (around) return hold(around, target, root);
  for (const region of target.querySelectorAll("[data-calm]")) {
    const next = root.querySelector(`#${CSS.escape(region.id)}`);
    if (next) hold(region, region, next);
  }
}

/** Hold `next` back from `current` (both inside or equal to `region`) when rows would move under a busy viewer. */
function hold(region, current, next) {
  const state = stateOf(region);
  const [before, after] = [idsOf(current), idsOf(next)];
  // An empty list and a reason why there is none are news that must not wait.
  const moves = before.length > 0 && after.length > 0 && before.join() !== after.join();
  if (!moves || !isBusy(region, state)) {
    state.held.delete(current.id);
    return;
  }
  state.held.set(current.id, changesOf(before, after));
  next.replaceChildren(...frozen(current, next).childNodes);
}

/** @returns {Element} the rows that are there now, each saying what it says in `next` */
function frozen(current, next) {
  const copy = current.cloneNode(true);
  for (const row of copy.querySelectorAll(ROWS)) {
    const fresh = next.querySelector(`#${CSS.escape(row.id)}`);
    if (fresh) row.replaceWith(fresh.cloneNode(true));
  }
  return copy;
}

/** @returns {number} how many rows came or went, at least one: changing places is a change too */
function changesOf(before, after) {
  const [old, fresh] = [new Set(before), new Set(after)];
  const came = after.filter((id) => !old.has(id)).length;
  const went = before.filter((id) => !fresh.has(id)).length;
  return Math.max(1, came + went);
}

function isBusy(region, state) {
  const now = performance.now();
  if (now < state.showUntil) return false;
  // Regions above each other count as one: what grows above moves what is below.
  const around = region.closest("[data-calms]") ?? region;
  return now < state.keysUntil || (matchMedia("(hover: hover)").matches && around.matches(":hover"));
}

function releaseQuiet() {
  for (const [id, state] of known) {
    const region = document.getElementById(id);
    if (state.held.size && region && !isBusy(region, state)) release(region);
  }
}

/** Ask for the present state instead of showing what was held: by now that is old. @param {Element} region */
function release(region) {
  const state = stateOf(region);
  state.held.clear();
  state.showUntil = performance.now() + SHOW_WITHIN_MS;
  askAnew = true;
  document.body.dispatchEvent(new Event("place-state"));
  show(region);
}

function showAll() {
  document.querySelectorAll("[data-calm]").forEach(show);
}

/** Bring a region's button up to date. @param {Element} region */
function show(region) {
  const button = region.querySelector(":scope > [data-held]");
  const count = [...stateOf(region).held.values()].reduce((sum, each) => sum + each, 0);
  if (!button) return;
  const text = count ? `${count.toLocaleString("en")} ${count === 1 ? "change" : "changes"}, show` : "";
  if (button.textContent !== text) button.textContent = text;
  button.hidden = !count;
}

/** What the viewer asked for is drawn whole: nothing of it is held. @param {Element} target */
function forgetWithin(target) {
  for (const id of [...known.keys()]) {
    const region = document.getElementById(id);
    if (!region || target.contains(region)) known.delete(id);
  }
}

function stateOf(region) {
  if (!known.has(region.id)) known.set(region.id, { held: new Map(), keysUntil: 0, showUntil: 0 });
  return known.get(region.id);
}

const idsOf = (element) => [...element.querySelectorAll(ROWS)].map((row) => row.id);
