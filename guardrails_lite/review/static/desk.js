// What a keyboard can do here beyond what the browser does. Every key stands for a button or a link that is
// on the page: without this file they are pressed with the mouse or the tabulator.
"use strict";

document.addEventListener("keydown", (event) => {
  const at = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (at.closest("input:not([type=hidden]), textarea, select")) {
    if (event.key === "Escape") at.blur();
    return;
  }
  const found = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!found) return;
  event.preventDefault();
  if (found.matches("input, textarea")) found.focus();
  else found.click();
});

// A page that was swapped in is announced as a new one would be, unless it has news of its own to tell.
document.addEventListener("htmx:afterSwap", () => {
  const head = document.querySelector("h1");
  if (head && !document.querySelector("[role=status]")) head.focus({ preventScroll: true });
});
