// The frame of every page: live or paused, theme, keys, dialogs, and what is said aloud.
import { startCalm } from "./panel/calm.js";
import { startDialogs } from "./panel/dialogs.js";
import { startKeys } from "./panel/keys.js";
import { startLive } from "./panel/live.js";
import { startSaying } from "./panel/say.js";
import { startSight } from "./panel/sight.js";
import { startTree } from "./panel/tree.js";

const THEMES = ["system", "light", "dark"];

/** The theme button: system, light, dark, in turn; remembered. */
function startTheme() {
  const button = document.getElementById("theme");
  const name = () => localStorage.getItem("theme") ?? "system";
  const label = () => { button.title = `Theme: ${name()}`; button.setAttribute("aria-label", button.title); };
  button.addEventListener("click", () => {
    localStorage.setItem("theme", THEMES[(THEMES.indexOf(name()) + 1) % THEMES.length]);
    document.dispatchEvent(new Event("panel:theme"));
    label();
  });
  label();
}

startTheme();
startSaying();
startLive();
startDialogs();
startKeys();
startTree();
startCalm();
startSight();
