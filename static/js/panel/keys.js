// One map of keys for all places (the list is in base.html, behind "?"). Silent while something is typed.

const PLACES = { e: "/ensemble/", t: "/tree/", s: "/sessions/", w: "/watches/", p: "/pipeline/" };
const GO_MS = 1200;

/** @param {EventTarget|null} target */
function isTyping(target) {
  return target instanceof Element && target.closest("input, textarea, select, [contenteditable], dialog[open]") !== null;
}

/** Start the keyboard. */
export function startKeys() {
  const help = document.getElementById("keys");
  document.getElementById("help").addEventListener("click", () => help.showModal());
  let goUntil = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const key = event.key;
    if (performance.now() < goUntil && PLACES[key]) {
      location.assign(PLACES[key]);
    } else if (key === "g") {
      goUntil = performance.now() + GO_MS;
      return;
    } else if (key === "?") {
      help.showModal();
    } else if (key === "/") {
      const field = document.querySelector("[data-search]");
      if (!field) return;
      field.focus();
      field.select();
    } else if (key === "." || (key === " " && !(event.target instanceof Element && event.target.closest("button, a, [role=button], [tabindex='0']")))) {
      document.dispatchEvent(new Event("panel:toggle"));
    } else if (key === "j" || key === "k") {
      if (!moveRow(key === "j" ? 1 : -1)) return;
    } else {
      const button = document.querySelector(`[data-key="${CSS.escape(key)}"]:not(:disabled)`);
      if (!button || performance.now() < goUntil) return;
      button.click();
    }
    goUntil = 0;
    event.preventDefault();
  });
}

/** Move the focus among the rows of a list. @param {number} step */
function moveRow(step) {
  const rows = [...document.querySelectorAll("[data-row]")];
  if (!rows.length) return false;
  const at = rows.indexOf(document.activeElement);
  rows[Math.max(0, Math.min(rows.length - 1, at === -1 ? 0 : at + step))].focus();
  return true;
}
