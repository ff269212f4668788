// The tree as the ARIA pattern wants it: one row is in the tab order, arrows move, letters find, Enter shows.
// What is pushed may draw any row anew or take it away: the focus and the one row in the tab order survive that.

const TYPING_MS = 700;

/** Start the tree, on the page that has one. */
export function startTree() {
  const tree = document.querySelector("[data-tree]");
  if (!tree) return;
  const typed = { text: "", at: 0 };
  tree.addEventListener("keydown", (event) => {
    const row = rowOf(event.target);
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!press(tree, row, event.key, typed)) return;
    event.preventDefault();
    event.stopPropagation();
  });
  tree.addEventListener("click", (event) => {
    const row = rowOf(event.target);
    if (!row) return;
    focus(tree, row);
    if (event.target.closest("button")) return;
    mark(tree, row);
    if (!event.target.closest("a")) row.querySelector("a.name").click();
  });
  keepFocus(tree);
  followSelection(tree);
}

const rowOf = (target) => (target instanceof Element ? target.closest('[role="treeitem"]') : null);
const rowsOf = (tree) => [...tree.querySelectorAll('[role="treeitem"]')];
const toggle = (row) => row.querySelector("button.tw")?.click();
const isOpen = (row) => row.getAttribute("aria-expanded") === "true";
const nameOf = (row) => row.querySelector(".name").textContent.trim().toLowerCase();

/** Do what a key means on a row. @returns {boolean} whether it means anything */
function press(tree, row, key, typed) {
  if (KEYS[key]) {
    typed.text = "";
    KEYS[key](tree, row);
    return true;
  }
  const action = ACTIONS[key];
  if (action) {
    document.querySelector(`.detail [data-key="${action}"]:not(:disabled)`)?.click();
    return true;
  }
  if ([...key].length !== 1 || " /?.".includes(key)) return false;
  find(tree, row, key.toLowerCase(), typed);
  return true;
}

/** Move to the next row whose name begins with what was typed; the same letter again goes on to the next of them. */
function find(tree, row, letter, typed) {
  const now = performance.now();
  const text = now - typed.at < TYPING_MS ? typed.text + letter : letter;
  const repeated = [...text].every((each) => each === letter);
  // What nothing begins with is forgotten: a slip does not lame the keys that follow.
  const found = (!repeated && next(tree, row, text, 0)) || next(tree, row, letter, 1);
  typed.text = found && !repeated && nameOf(found).startsWith(text) ? text : letter;
  typed.at = now;
  focus(tree, found);
}

/** @returns {Element|undefined} the first row from `by` after `row` on, in a circle, whose name begins with `text` */
function next(tree, row, text, by) {
  const rows = rowsOf(tree);
  const start = rows.indexOf(row) + by;
  return [...rows.slice(start), ...rows.slice(0, start)].find((each) => nameOf(each).startsWith(text));
}

function step(tree, row, by) {
  const rows = rowsOf(tree);
  focus(tree, rows[Math.max(0, Math.min(rows.length - 1, rows.indexOf(row) + by))]);
}

function focus(tree, row) {
  if (!row) return;
  rove(tree, row);
  row.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

/** Let `row` be the one that Tab reaches. */
function rove(tree, row) {
  for (const each of rowsOf(tree)) {
    const index = each === row ? 0 : -1;
    if (each.tabIndex !== index) each.tabIndex = index;
  }
}

const KEYS = {
  ArrowDown: (tree, row) => step(tree, row, 1),
  ArrowUp: (tree, row) => step(tree, row, -1),
  Home: (tree) => focus(tree, rowsOf(tree)[0]),
  End: (tree) => focus(tree, rowsOf(tree).at(-1)),
  ArrowRight: (tree, row) => {
    if (isOpen(row)) step(tree, row, 1);
    else toggle(row);
  },
  ArrowLeft: (tree, row) => {
    if (isOpen(row)) toggle(row);
    else focus(tree, row.closest('ul[role="group"]')?.parentElement.querySelector('[role="treeitem"]'));
  },
  Enter: (_tree, row) => row.querySelector("a.name").click(),
};

/** As file managers have it; letters are for finding. */
const ACTIONS = { Insert: "n", F2: "e", Delete: "d" };

/** After every swap: the focus back where it was, or on the row that took the place of one that went. */
function keepFocus(tree) {
  let last = null;
  const note = () => {
    const row = rowOf(document.activeElement);
    last = row && tree.contains(row) ? { id: row.id, place: rowsOf(tree).indexOf(row) } : null;
  };
  const restore = () => {
    const rows = rowsOf(tree);
    const row = last && (document.getElementById(last.id) ?? rows[Math.min(last.place, rows.length - 1)]);
    if (row && document.activeElement === document.body) focus(tree, row);
    else rove(tree, row ?? rows.find((each) => each.classList.contains("on")) ?? rows[0]);
  };
  for (const name of ["htmx:wsBeforeMessage", "htmx:beforeSwap"]) document.body.addEventListener(name, note);
  for (const name of ["htmx:wsAfterMessage", "htmx:afterSwap"]) document.body.addEventListener(name, restore);
  restore();
}

/** The row of the znode in detail is marked, and opened down to when it was chosen elsewhere (a child, a waiter, the path). */
function followSelection(tree) {
  // A row pushed while the choice was on its way carries the mark of the one before.
  document.body.addEventListener("htmx:wsAfterMessage", () => mark(tree, rowFor(tree, selectedPath())));
  document.body.addEventListener("htmx:afterSettle", async (event) => {
    if (event.detail.target?.id !== "tree-detail" && event.detail.elt?.id !== "tree-detail") return;
    const path = selectedPath();
    if (!rowFor(tree, path)) await reveal(tree, path);
    const row = rowFor(tree, path);
    mark(tree, row);
    if (!row) return;
    if (!tree.contains(document.activeElement)) rove(tree, row);
    row.scrollIntoView({ block: "nearest" });
  });
}

/** Show `row` as the one in detail, if it is among the rows. */
function mark(tree, row) {
  for (const each of rowsOf(tree)) {
    if ((each.getAttribute("aria-selected") === "true") === (each === row)) continue;
    each.classList.toggle("on", each === row);
    each.setAttribute("aria-selected", String(each === row));
  }
}

const selectedPath = () => document.getElementById("tree-selected").value;
const rowFor = (tree, path) => rowsOf(tree).find((row) => row.dataset.path === path);

/** Open the rows on the way to `path`, each as far as the next one. @param {string} path */
async function reveal(tree, path) {
  const names = path.split("/").filter(Boolean);
  const steps = ["/", ...names.map((_, index) => `/${names.slice(0, index + 1).join("/")}`)];
  for (let index = 0; index < steps.length - 1; index += 1) {
    if (rowFor(tree, steps[index + 1])) continue;
    const row = rowFor(tree, steps[index]);
    if (!row) return;
    const asked = new URLSearchParams({ path: steps[index], open: "1", reveal: steps[index + 1], selected: path });
    await globalThis.htmx.ajax("GET", `/tree/item/?${asked}`, { target: row.parentElement, swap: "outerHTML" });
  }
}
