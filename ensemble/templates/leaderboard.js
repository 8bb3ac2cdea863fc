"use strict";
(() => {
  const table = document.getElementById("board");
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const find = document.getElementById("find");
  const order = document.getElementById("order");
  const told = document.getElementById("told");
  const more = document.getElementById("more");
  const STEP = 200;
  // Words are read once: with ten thousand rows, reading the cells at every key press would be felt.
  const rows = [...body.rows].map((row, place) => ({
    row, place, words: row.cells[1].textContent.toLowerCase(), shown: true,
  }));
  let limit = STEP;

  function show() {
    const asked = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const item of rows) {
      const match = asked.every((word) => item.words.includes(word));
      if (match) found += 1;
      item.row.hidden = !match || found > limit;
    }
    const shown = Math.min(found, limit);
    told.textContent = shown < found ? `${shown} of ${found} styles shown` : `${found} of ${rows.length} styles`;
    more.hidden = shown >= found;
  }

  // Missing values ("") stay at the end in both directions; ties keep the rank.
  function sort(column, direction) {
    const text = heads[column].dataset.type === "text";
    for (const item of rows) {
      const value = item.row.cells[column].dataset.v;
      item.key = text ? value : value === "" ? null : Number(value);
    }
    const compare = text ? (a, b) => a.localeCompare(b, "zh") : (a, b) => a - b;
    rows.sort((a, b) => {
      if (a.key === null || b.key === null) return (a.key === null) - (b.key === null) || a.place - b.place;
      return direction * compare(a.key, b.key) || a.place - b.place;
    });
    heads.forEach((head, place) => {
      if (!head.hasAttribute("aria-sort")) return;
      head.setAttribute("aria-sort", place !== column ? "none" : direction > 0 ? "ascending" : "descending");
    });
    order.value = String(column);
    body.append(...rows.map((item) => item.row));
    show();
  }

  // Ranks and names begin with the first, numbers with the largest.
  const first = (column) => (heads[column].dataset.first === "up" ? 1 : -1);
  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      sort(column, now === "none" ? first(column) : now === "ascending" ? -1 : 1);
    });
  });
  order.addEventListener("change", () => sort(Number(order.value), first(Number(order.value))));
  find.addEventListener("input", () => { limit = STEP; show(); });
  more.addEventListener("click", () => { limit += 1000; show(); });
  show();
})();
