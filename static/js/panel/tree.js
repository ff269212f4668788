// The tree as the ARIA pattern wants it: one row is in the tab order, arrows move, Enter shows.

/** Start the tree, on the page that has one. */
export function startTree() {
  const tree = document.querySelector("[data-tree]");
  if (!tree) return;
  tree.addEventListener("keydown", (event) => {
    const row = event.target instanceof Element ? event.target.closest('[role="treeitem"]') : null;
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act(tree, row);
  });
  tree.addEventListener("click", (event) => {
    const row = event.target instanceof Element ? event.target.closest('[role="treeitem"]') : null;
    if (!row) return;
    select(tree, row);
    if (!event.target.closest("a, button")) row.querySelector("a.name").click();
  });
}

const rowsOf = (tree) => [...tree.querySelectorAll('[role="treeitem"]')];
const toggle = (row) => row.querySelector("button.tw")?.click();
const isOpen = (row) => row.getAttribute("aria-expanded") === "true";

function step(tree, row, by) {
  const rows = rowsOf(tree);
  focus(tree, rows[Math.max(0, Math.min(rows.length - 1, rows.indexOf(row) + by))]);
}

function focus(tree, row) {
  if (!row) return;
  for (const each of rowsOf(tree)) each.tabIndex = each === row ? 0 : -1;
  row.focus();
  row.scrollIntoView({ block: "nearest" });
}

function select(tree, row) {
  for (const each of rowsOf(tree)) {
    each.classList.toggle("on", each === row);
    each.setAttribute("aria-selected", String(each === row));
    each.tabIndex = each === row ? 0 : -1;
  }
}

const KEYS = {
  ArrowDown: (tree, row) => step(tree, row, 1),
  ArrowUp: (tree, row) => step(tree, row, -1),
  j: (tree, row) => step(tree, row, 1),
  k: (tree, row) => step(tree, row, -1),
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
