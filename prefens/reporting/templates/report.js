"use strict";

// The theme: the system's, until the reader chooses. Storage is refused in a sandboxed frame.
const root = document.documentElement;
const remembered = { get: () => { try { return localStorage.getItem("theme"); } catch { return null; } },
                     set: (name) => { try { localStorage.setItem("theme", name); } catch { /* not kept */ } } };
if (remembered.get()) root.dataset.theme = remembered.get();
document.getElementById("theme").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  remembered.set(root.dataset.theme);
});

// Tables: a click on a column's name sorts by it, numbers by value, empty cells last; again, the other way round.
function sortBy(header) {
  const table = header.closest("table");
  const place = header.cellIndex;
  const numbers = header.classList.contains("number");
  const before = header.getAttribute("aria-sort");
  const direction = before ? (before === "ascending" ? -1 : 1) : 1;
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
  const value = (row) => {
    const cell = row.cells[place];
    if (cell.textContent === "") return null;
    return numbers ? ("key" in cell.dataset ? Number(cell.dataset.key) : -Infinity) : cell.textContent;
  };
  const rows = [...table.tBodies[0].rows].map((row) => ({ row, value: value(row) }));
  rows.sort((a, b) => {
    if (a.value === null || b.value === null) return (a.value === null) - (b.value === null);
    if (numbers) return a.value === b.value ? 0 : direction * (a.value < b.value ? -1 : 1);
    return direction * a.value.localeCompare(b.value, "en", { numeric: true });
  });
  table.tBodies[0].append(...rows.map((item) => item.row));
}
for (const header of document.querySelectorAll("th")) {
  header.querySelector("button").addEventListener("click", () => sortBy(header));
}

// The contents show where the reader is.
const links = new Map([...document.querySelectorAll("nav li a")].map((link) => [link.hash.slice(1), link]));
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    for (const link of links.values()) link.removeAttribute("aria-current");
    links.get(entry.target.id).setAttribute("aria-current", "true");
  }
}, { rootMargin: "-10% 0px -85% 0px" });
for (const part of document.querySelectorAll("section.part")) watcher.observe(part);

addEventListener("beforeprint", () => {
  for (const text of document.querySelectorAll("details")) text.open = true;
});
