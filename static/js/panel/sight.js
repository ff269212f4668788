// What a page was opened for is in sight: the row of the znode or session in its address, however long the list is.

/** Scroll lists, each within itself, to the row that is shown in detail. */
export function startSight() {
  for (const row of document.querySelectorAll('[role="treeitem"].on, tr[aria-current="true"]')) {
    const box = row.closest(".rows, .tablebox");
    const [inner, outer] = [row.getBoundingClientRect(), box.getBoundingClientRect()];
    if (inner.top < outer.top || inner.bottom > outer.bottom) box.scrollTop += inner.top - outer.top - (outer.height - inner.height) / 2;
  }
}
