/**
 * Making and changing elements. Every setter first looks whether there is anything to change: the stage is
 * updated several times a second, and what did not change must cost the browser nothing.
 */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @param {string} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {Element | null} [parent]
 * @returns {SVGElement}
 */
export function svg(tag, attributes = {}, parent = null) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  parent?.append(element);
  return element;
}

/**
 * @param {string} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function html(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/**
 * @param {Element} element
 * @param {Record<string, string | number | null>} attributes `null` takes an attribute away
 */
export function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null) {
      if (element.hasAttribute(name)) element.removeAttribute(name);
    } else if (element.getAttribute(name) !== String(value)) {
      element.setAttribute(name, String(value));
    }
  }
}

/**
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Keep exactly `count` children in `parent`, making what is missing and removing what is too much.
 *
 * @param {Element} parent
 * @param {number} count
 * @param {() => Element} make
 * @returns {HTMLCollection}
 */
export function keep(parent, count, make) {
  while (parent.childElementCount > count) parent.lastElementChild?.remove();
  while (parent.childElementCount < count) parent.append(make());
  return parent.children;
}

/** @param {string} text said politely to screen readers */
export function say(text) {
  document.dispatchEvent(new CustomEvent("panel:say", { detail: { text } }));
}

/**
 * Call `work` at most every `ms`, and once more after the last call.
 *
 * @param {number} ms
 * @param {() => void} work
 */
export function atMostEvery(ms, work) {
  let last = -Infinity;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;
  const run = () => {
    waiting = undefined;
    last = performance.now();
    work();
  };
  return () => {
    if (waiting !== undefined) return;
    const wait = last + ms - performance.now();
    if (wait <= 0) run();
    else waiting = setTimeout(run, wait);
  };
}
