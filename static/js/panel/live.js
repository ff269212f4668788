// Live or paused. Paused, pushed fragments are let go by and counted; resuming shows the present state at once,
// not a replay: the server keeps the log, the page need not.
import { say } from "./say.js";

const LOST_AFTER_MS = 1200;

/** @returns {boolean} whether the viewer has stopped the page */
export function isPaused() {
  return document.documentElement.dataset.paused === "yes";
}

/** Start the Live|Pause control, and say when the connection is lost. */
export function startLive() {
  const live = document.getElementById("live");
  const pause = document.getElementById("pause");
  const behind = document.getElementById("behind");
  let skipped = 0;
  let reported = 0;
  let socketWrapper = null;

  const showBehind = () => {
    const count = skipped + reported;
    behind.hidden = !isPaused() || count === 0;
    behind.textContent = `${count.toLocaleString("en")} ${count === 1 ? "update" : "updates"} behind`;
  };
  const set = (paused) => {
    if (paused === isPaused()) return;
    document.documentElement.dataset.paused = paused ? "yes" : "no";
    for (const [button, on] of [[live, !paused], [pause, paused]]) {
      button.classList.toggle("on", on);
      button.setAttribute("aria-pressed", String(on));
    }
    const missed = skipped;
    skipped = reported = 0;
    showBehind();
    say(paused ? "Paused" : "Live");
    document.dispatchEvent(new CustomEvent("panel:pause", { detail: { paused } }));
    // A page that let updates go by asks for its whole state anew: the server sends what differs to a new viewer.
    if (!paused && missed) socketWrapper?.reconnect?.();
  };
  live.addEventListener("click", () => set(false));
  pause.addEventListener("click", () => set(true));
  document.addEventListener("panel:toggle", () => set(!isPaused()));
  document.addEventListener("panel:behind", (event) => { reported = event.detail.count; showBehind(); });

  document.body.addEventListener("htmx:wsBeforeMessage", (event) => {
    if (!isPaused()) return;
    event.preventDefault();
    skipped += 1;
    showBehind();
  });

  const lost = document.getElementById("lost");
  const locked = document.getElementById("locked");
  let timer = 0;
  const lock = () => {
    locked.showPopover(); // above a dialog, whose text stays
    lost.hidden = true;
  };
  document.body.addEventListener("panel:locked", lock);
  document.body.addEventListener("htmx:wsClose", () => {
    if (locked.matches(":popover-open")) return;
    timer ||= setTimeout(async () => {
      // A socket that is refused does not say why; a request does.
      const answer = await fetch("/", { method: "HEAD", redirect: "manual" }).catch(() => null);
      if (!timer) return; // open again by now
      timer = 0;
      if (answer?.status === 403) lock();
      else lost.hidden = false;
    }, LOST_AFTER_MS);
  });
  document.body.addEventListener("htmx:wsOpen", (event) => {
    socketWrapper = event.detail.socketWrapper;
    clearTimeout(timer);
    timer = 0;
    lost.hidden = true;
    locked.hidePopover();
  });
  addEventListener("beforeunload", () => { clearTimeout(timer); timer = -1; });
}
