// The polite voice: at most one sentence a quarter of a second, the last one wins.

const COALESCE_MS = 250;

/** Speak what `panel:say` events carry, to screen readers only. */
export function startSaying() {
  const voice = document.getElementById("say");
  let timer = 0;
  document.addEventListener("panel:say", (event) => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      voice.textContent = "";
      requestAnimationFrame(() => { voice.textContent = event.detail.text; });
    }, COALESCE_MS);
  });
}

/** Say `text` to screen readers. @param {string} text */
export function say(text) {
  document.dispatchEvent(new CustomEvent("panel:say", { detail: { text } }));
}
