// Shows a chart's numbers under the pointer, or under a cursor that the arrow keys move.
"use strict";
const tip = document.getElementById("tip");

function place(svg, x, y, lines) {
  const box = svg.getBoundingClientRect();
  const scale = box.width / svg.viewBox.baseVal.width;
  tip.replaceChildren(...lines.map((line) => {
    const row = document.createElement("div");
    row.textContent = line;
    return row;
  }));
  tip.hidden = false;
  const left = box.left + window.scrollX + x * scale + 12;
  const most = document.documentElement.clientWidth - tip.offsetWidth - 8;
  tip.style.left = Math.max(8, Math.min(left, most)) + "px";
  tip.style.top = box.top + window.scrollY + y * scale + 12 + "px";
}

function cursor(svg, x, top, bottom) {
  let line = svg.querySelector(".cursor");
  if (!line) {
    line = document.createElementNS("http://www.w3.org/2000/svg", "line");
    line.setAttribute("class", "cursor");
    svg.append(line);
  }
  line.setAttribute("x1", x);
  line.setAttribute("x2", x);
  line.setAttribute("y1", top);
  line.setAttribute("y2", bottom);
}

function hide(svg) {
  tip.hidden = true;
  const line = svg.querySelector(".cursor");
  if (line) line.remove();
}

function showHeat(svg, data, x, y) {
  const column = Math.floor((x - data.left) / data.width);
  const row = Math.floor((y - data.top) / data.height);
  if (!(data.cells[row] && data.cells[row][column] !== undefined)) return hide(svg);
  place(svg, x, y, [data.rows[row], data.x + " " + data.columns[column], data.cells[row][column]]);
}

function showLines(svg, data, x, y) {
  const all = data.series.flatMap((series) => series.points);
  if (!all.length) return;
  const near = all.reduce((a, b) => (Math.abs(b[0] - x) < Math.abs(a[0] - x) ? b : a));
  const at = data.series
    .map((series) => [series, series.points.find((point) => point[0] === near[0])])
    .filter(([, point]) => point);
  at.sort((a, b) => Math.abs(a[1][1] - y) - Math.abs(b[1][1] - y));
  const name = data.names.length ? data.names[Number(near[2].replaceAll(",", ""))] : data.x + " " + near[2];
  const shown = at.slice(0, 8).map(([series, point]) => series.name + "  " + point[3]);
  cursor(svg, near[0], data.top, data.bottom);
  place(svg, near[0], Math.max(data.top, y - 40), [name, ...shown]);
  svg.dataset.at = near[0];
}

// paper has nothing to click: explanations are printed open
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")].filter((each) => !each.closest("figure"));
  for (const each of opened) each.open = true;
});
addEventListener("afterprint", () => {
  for (const each of opened) each.open = false;
  opened = [];
});

for (const svg of document.querySelectorAll("svg.chart")) {
  const data = JSON.parse(svg.dataset.chart);
  const show = data.heat ? showHeat : showLines;
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const scale = svg.viewBox.baseVal.width / box.width;
    show(svg, data, (event.clientX - box.left) * scale, (event.clientY - box.top) * scale);
  });
  svg.addEventListener("pointerleave", () => hide(svg));
  svg.addEventListener("blur", () => hide(svg));
  let row = 0, column = 0, fresh = true;
  svg.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === "Escape") hide(svg);
    if (!move) return;
    event.preventDefault();
    const step = fresh ? [0, 0] : move; // the first press shows where one is
    fresh = false;
    if (data.heat) {
      column = Math.max(0, Math.min(data.columns.length - 1, column + step[0]));
      row = Math.max(0, Math.min(data.rows.length - 1, row + step[1]));
      showHeat(svg, data, data.left + (column + 0.5) * data.width, data.top + (row + 0.5) * data.height);
      return;
    }
    const places = [...new Set(data.series.flatMap((s) => s.points.map((p) => p[0])))].sort((a, b) => a - b);
    const before = places.findIndex((p) => p >= Number(svg.dataset.at || places[0]));
    const next = Math.max(0, Math.min(places.length - 1, before + step[0]));
    showLines(svg, data, places[next], (data.top + data.bottom) / 2);
  });
}
