"use strict";
// The page reads whole without this: it only adds finding and sorting.
const table = document.getElementById("rows");
const bodies = Array.from(table.tBodies);
const words = bodies.map((body) => body.textContent.toLowerCase());
const find = document.querySelector(".find");
const left = document.getElementById("left");
find.hidden = false;
find.querySelector("input").addEventListener("input", (event) => {
  const asked = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  bodies.forEach((body, i) => {
    body.hidden = !asked.every((word) => words[i].includes(word));
    shown += body.hidden ? 0 : 1;
  });
  left.textContent = asked.length ? shown + " of " + bodies.length + " rows" : "";
});
const heads = Array.from(table.tHead.rows[0].cells);
const key = (body, column) => {
  const cell = body.rows[0].cells[column];
  if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
  return cell.classList.contains("n") ? "-" : cell.textContent;
};
const missing = (value) => value === "-" || value === "";
const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
heads.forEach((head, column) => {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => {
    const way = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", way);
    const keyed = bodies.map((body) => [key(body, column), body]);
    const sign = way === "ascending" ? 1 : -1;
    keyed.sort(([a], [b]) =>
      missing(a) || missing(b) ? missing(a) - missing(b) : sign * order(a, b));
    table.append(...keyed.map((pair) => pair[1]));
  });
});
