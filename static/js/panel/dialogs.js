// One modal dialog: whatever htmx puts into #dialog is shown; Esc, Cancel and a click beside it close it.

/** Start the dialog, and turn refusals that nobody shows into toasts. */
export function startDialogs() {
  const dialog = document.getElementById("dialog");
  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target !== dialog) return;
    if (!dialog.firstElementChild) return; // refused: see live.js
    if (!dialog.open) dialog.showModal();
    const first = dialog.querySelector("[autofocus]");
    first?.focus();
    first?.removeAttribute("autofocus"); // else htmx focuses it again when it settles, under the hands of who types
  });
  for (const box of document.querySelectorAll("dialog")) {
    box.addEventListener("click", (event) => {
      const cancel = event.target instanceof Element && event.target.closest("[data-close]");
      if (cancel || (event.target === box && !isDirty(box))) box.close();
    });
  }
  dialog.addEventListener("close", () => dialog.replaceChildren());
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "s" && dialog.querySelector("[data-save]")) {
      event.preventDefault();
      dialog.querySelector("form[hx-post]").requestSubmit();
    }
  });
  document.body.addEventListener("htmx:sendError", () => toast("The panel's server does not answer.", "bad"));
}

/** @param {HTMLElement} box a dialog with a changed field is not closed by a slip of the mouse */
function isDirty(box) {
  return [...box.querySelectorAll("textarea, input:not([type=hidden]):not([type=radio])")].some((field) => field.value !== field.defaultValue);
}

/** Show a short message for a while. @param {string} text @param {string} tone */
export function toast(text, tone = "") {
  const box = document.getElementById("toasts");
  const twin = [...box.children].find((child) => child.textContent === text);
  twin?.remove();
  const item = document.createElement("div");
  item.className = `toast ${tone}`;
  item.textContent = text;
  box.append(item);
  setTimeout(() => item.remove(), 8000);
}
