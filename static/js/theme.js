// Before the first paint: light, dark, or what the system says. Loaded blocking, so that nothing flashes.
"use strict";
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const show = () => {
    const chosen = localStorage.getItem("theme");
    const dark = chosen === "dark" || (chosen !== "light" && system.matches);
    document.documentElement.dataset.theme = dark ? "dark" : "light";
  };
  document.documentElement.dataset.paused = "no";
  system.addEventListener("change", show);
  document.addEventListener("panel:theme", show);
  show();
})();
