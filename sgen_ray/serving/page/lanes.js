// Who painted what and when: a lane for each renderer, a bar for each window, along the time since the work began.

import { h, show, svg } from "./dom.js";
import { clock, span } from "./format.js";

const LEFT = 96;
const ROW = 30;
const TOP = 8;
const STEPS = [0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600];

/** {element, update(feed)} */
export function lanes() {
  const picture = h("div.lanes");
  const table = h("table");
  const words = h("details.as-table", {}, h("summary", {}, "The same as a table"), table);
  const element = h("div", {}, picture, words);
  let drawn = "";
  let last = null;
  new ResizeObserver(() => last && update(last)).observe(picture);

  function update(feed) {
    last = feed;
    const rows = rowsOf(feed);
    element.hidden = !rows.length;
    const width = Math.max(300, picture.clientWidth || 800);
    const key = JSON.stringify([rows, width]);
    if (key === drawn) return;
    drawn = key;
    show(picture, draw(rows, width, feed));
    fillTable(table, rows);
  }

  return { element, update };
}

/** [{name, bars: [{window, begin, end, share, finished}]}], times from the first stroke on. */
export function rowsOf(feed) {
  const bars = Object.entries(feed.windows).filter(([, one]) => one.renderer !== undefined);
  if (!bars.length) return [];
  const zero = Math.min(...bars.map(([, one]) => one.begin ?? 0));
  const names = [...new Set(bars.map(([, one]) => one.renderer))].sort((a, b) => a - b);
  return names.map((renderer) => ({
    name: `renderer ${renderer + 1}`,
    bars: bars
      .filter(([, one]) => one.renderer === renderer)
      .map(([number, one]) => ({
        window: Number(number),
        begin: round(one.begin - zero),
        end: round(Math.max(one.end ?? one.begin, one.begin + 0.01) - zero),
        share: one.finished ? 1 : one.done / one.total || 0,
        finished: one.finished,
      }))
      .sort((a, b) => a.begin - b.begin),
  }));
}

const round = (value) => Math.round(value * 100) / 100;

function draw(rows, width, feed) {
  const end = Math.max(0.5, ...rows.flatMap((row) => row.bars.map((bar) => bar.end))) * 1.02;
  const scale = (width - LEFT - 12) / end;
  const step = STEPS.find((size) => end / size <= width / 110) ?? 7200;
  const bottom = TOP + ROW * rows.length;
  const picture = svg("svg", {
    viewBox: `0 0 ${width} ${bottom + 26}`, width, height: bottom + 26, role: "img",
    "aria-label": summary(rows, feed),
  });
  for (let tick = 0; tick <= end; tick += step) {
    const x = LEFT + tick * scale;
    picture.append(
      svg("line", { class: "tick", x1: x, x2: x, y1: TOP, y2: bottom }),
      svg("text", { class: "axis", x, y: bottom + 18, "text-anchor": "middle" }, span(tick)),
    );
  }
  rows.forEach((row, index) => {
    const y = TOP + index * ROW;
    picture.append(svg("text", { class: "name", x: 0, y: y + ROW / 2 + 4 }, row.name));
    for (const bar of row.bars) picture.append(stroke(bar, y + 4, scale));
  });
  return picture;
}

function stroke(bar, y, scale) {
  const x = LEFT + bar.begin * scale;
  const width = Math.max(2, (bar.end - bar.begin) * scale - 1.5);
  const height = ROW - 8;
  const group = svg("g", { class: bar.finished ? "bar done" : "bar" }, svg("title", {}, describe(bar)));
  group.append(svg("rect", { class: "under", x, y, width, height, rx: 3 }));
  group.append(svg("rect", { class: "paint", x, y, width: Math.max(1, width * bar.share), height, rx: 3 }));
  if (width > 18) group.append(svg("text", { x: x + 6, y: y + height / 2 + 4 }, `${bar.window + 1}`));
  return group;
}

const describe = (bar) =>
  bar.finished
    ? `window ${bar.window + 1}, painted in ${span(bar.end - bar.begin)}`
    : `window ${bar.window + 1}, ${Math.round(bar.share * 100)} % of its steps done`;

function summary(rows, feed) {
  const done = Object.values(feed.windows).filter((one) => one.finished).length;
  return `${rows.length} renderers painted ${done} windows; the table below says which one when`;
}

function fillTable(table, rows) {
  const line = (row, bar) =>
    h("tr", {}, h("td", {}, `${bar.window + 1}`), h("td", {}, row.name), h("td", {}, clock(bar.begin)), h("td", {}, span(bar.end - bar.begin)));
  const head = ["Window", "Painted by", "Begun at", "Took"].map((text) => h("th", { scope: "col" }, text));
  const body = rows.flatMap((row) => row.bars.map((bar) => [bar.window, line(row, bar)])).sort((a, b) => a[0] - b[0]);
  show(table, h("thead", {}, h("tr", {}, head)), h("tbody", {}, body.map(([, row]) => row)));
}
