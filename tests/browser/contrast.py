"""Finds text that is hard to read: in the browser, by computed colours, as WCAG 2 measures contrast."""

from __future__ import annotations

LOW_CONTRAST = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (color) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => { const f = (v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }; return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
  const ground = (element) => { for (let e = element; e; e = e.parentElement) { const color = rgb(getComputedStyle(e).backgroundColor); if (color[3] === 255) return color; } return [255, 255, 255]; };
  const low = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.closest("svg, .sr-only, [hidden], dialog:not([open]), :disabled, option") || !element.checkVisibility()) continue;
    const one = light(rgb(getComputedStyle(element).color)) + 0.05;
    const other = light(ground(element)) + 0.05;
    const ratio = Math.max(one, other) / Math.min(one, other);
    if (ratio < 4.5) low.push(`${ratio.toFixed(2)} ${element.tagName}.${element.className} ${element.textContent.trim().slice(0, 30)}`);
  }
  return low;
}
"""
"""A JavaScript function: returns a line for each visible text below 4.5 to 1 on its ground."""
