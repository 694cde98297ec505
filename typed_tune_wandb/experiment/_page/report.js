"use strict";
const plots = JSON.parse(document.getElementById("plots").textContent);
for (const [name, plot] of Object.entries(plots)) {
  if (!plot) continue;
  const failed = (error) => {
    const note = document.getElementById(`${name}-error`);
    note.textContent = `This plot cannot be drawn: ${error}`;
    note.hidden = false;
  };
  try {
    // Only these buttons: one of plotly's others sends a plot to a server.
    const modeBarButtons = [name === "curves" ? ["toImage", "zoom2d", "pan2d", "resetScale2d"] : ["toImage"]];
    const options = { responsive: true, displaylogo: false, plotlyServerURL: "", modeBarButtons };
    Plotly.newPlot(name, plot.data, plot.layout, options).catch(failed);
  } catch (error) {
    failed(error);
  }
}
// A click on a column's title sorts by it: numbers first, as numbers.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const title = button.parentElement;
    const descending = title.getAttribute("aria-sort") === "ascending";
    for (const other of title.parentElement.children) other.removeAttribute("aria-sort");
    title.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const value = (row) => row.cells[title.cellIndex].dataset.value ?? row.cells[title.cellIndex].textContent;
    const isNumber = (text) => text !== "" && !Number.isNaN(Number(text));
    const compare = (a, b) => {
      const [x, y] = [value(a), value(b)];
      if (isNumber(x) !== isNumber(y)) return isNumber(x) ? -1 : 1; // in both directions
      const order = isNumber(x) ? Number(x) - Number(y) : x.localeCompare(y);
      return descending ? -order : order;
    };
    const body = title.closest("table").tBodies[0];
    body.append(...[...body.rows].sort(compare));
  });
}
