"use strict";

// Sorting of result tables, and opening of the job that a link leads to. Without this script the page is complete.

const status = document.getElementById("status");

function keyOf(row, index, kind) {
  const text = row.cells[index].dataset.value;
  if (text === undefined) return null;
  return kind === "number" ? Number(text) : text;
}

function compare(first, second, direction) {
  if (first === null || second === null) return (first === null) - (second === null); // missing values stay last
  const order = typeof first === "number" ? first - second : first.localeCompare(second, "en");
  return direction === "descending" ? -order : order;
}

function makeSortable(table) {
  const bodies = [...table.tBodies];
  const home = bodies.map((body) => [...body.rows]);
  const rows = home.flat().filter((row) => !row.classList.contains("family"));
  const headers = [...table.tHead.rows[0].cells];

  function show(header, direction) {
    for (const other of headers) other.removeAttribute("aria-sort");
    table.classList.toggle("sorted", direction !== null);
    if (direction === null) {
      bodies.forEach((body, index) => body.replaceChildren(...home[index]));
      status.textContent = "Order of the table restored";
      return;
    }
    const index = headers.indexOf(header);
    const keyed = rows.map((row) => [keyOf(row, index, header.dataset.sort), row]);
    keyed.sort((first, second) => compare(first[0], second[0], direction));
    bodies.forEach((body, number) => body.replaceChildren(...(number ? [] : keyed.map((pair) => pair[1]))));
    header.setAttribute("aria-sort", direction);
    status.textContent = `Sorted by ${header.textContent}, ${direction}`;
  }

  for (const header of headers.filter((item) => item.dataset.sort)) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    const first = header.dataset.best === "max" ? "descending" : "ascending"; // the best comes first
    const second = first === "ascending" ? "descending" : "ascending";
    button.addEventListener("click", () => {
      const now = header.getAttribute("aria-sort");
      show(header, now === null ? first : now === first ? second : null);
    });
  }
}

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target === null) return;
  // A folded chapter lies around the target, or begins at it.
  for (let around = target.parentElement; around; around = around.parentElement) {
    if (around instanceof HTMLDetailsElement) around.open = true;
  }
  const inside = target.matches("section.chapter") ? target.querySelector(":scope > details") : null;
  if (inside) inside.open = true;
  target.scrollIntoView();
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.scrollIntoView();
  }
}

document.querySelectorAll("table.sortable").forEach(makeSortable);
document.getElementById("sorting").hidden = false;
window.addEventListener("hashchange", openTarget);
openTarget();
