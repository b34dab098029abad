// The figures of a finished film: what they are, and in words whether they are good.

import { h, set } from "./dom.js";
import { count, span } from "./format.js";

const DRIFT = {
  sharpness: ["Sharpness", "whether the end is as sharp as the beginning"],
  colourfulness: ["Colour", "whether the end is as colourful as the beginning"],
  motion: ["Motion", "whether as much moves at the end as at the beginning"],
};

/** Elements for the JSON of GET /report. */
export function figures(answer) {
  const measured = answer.figures;
  return [
    measured && h("div.figures", {}, seam(measured.seam_ratio), overlap(measured.overlap_sharpness), motion(measured.motion)),
    measured && drift(measured.drift),
    times(answer),
  ];
}

function figure(name, value, words, meter = null) {
  return h("div.figure", {}, h("h3", {}, name), h("p.value", {}, value), meter, h("p.soft", {}, words));
}

function seam(ratio) {
  if (ratio === null || ratio === undefined) return figure("Joins", "–", "Too little moves, or there is one window only: nothing to compare.");
  const words =
    ratio < 0.85 ? "The picture slows down a little where two windows meet."
    : ratio <= 1.15 ? "Where two windows meet moves like anywhere else: the joins cannot be told."
    : ratio <= 1.5 ? "Slightly more changes where two windows meet; look for a small step."
    : "The picture jumps where two windows meet. Another seed, or fewer shots, may help.";
  return figure("Joins", ratio.toFixed(2), words, scale(ratio, 0, 2, 1, `Change at joins compared with elsewhere: ${ratio.toFixed(2)}; 1 is even`));
}

function overlap(value) {
  if (value === null || value === undefined) return figure("Overlaps", "–", "No window overlaps another.");
  const words = value < 0.85 ? "Overlaps are softer than the rest: blending shows." : value <= 1.2 ? "Overlaps are as sharp as the rest." : "Overlaps are sharper than the rest.";
  return figure("Overlaps", value.toFixed(2), words, scale(value, 0, 2, 1, `Sharpness in overlaps compared with elsewhere: ${value.toFixed(2)}; 1 is even`));
}

function motion(value) {
  if (value === null || value === undefined) return null;
  const words = value < 0.001 ? "Hardly anything moves." : value < 0.01 ? "A calm film." : "A lively film.";
  return figure("Motion", `${(value * 100).toFixed(1)} %`, `${words} So much of the picture's range changes from frame to frame.`);
}

/** A line from `low` to `high` with a mark for what is even and a dot for what is. */
function scale(value, low, high, even, label) {
  const share = (x) => Math.min(1, Math.max(0, (x - low) / (high - low)));
  const line = h("div.scale", { role: "meter", "aria-label": label, "aria-valuemin": low, "aria-valuemax": high, "aria-valuenow": Math.min(high, value).toFixed(2) });
  return set(line, { "--value": share(value), "--even": share(even) });
}

function drift(shares) {
  const rows = Object.entries(shares).map(([name, value]) => {
    const [title, words] = DRIFT[name] ?? [name, ""];
    const percent = Math.round(value * 100);
    const bar = h("div.bar", {
      role: "meter", "aria-label": `${title}, drift`, "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.min(100, percent),
    });
    const judged = value < 0.1 ? "steady" : value < 0.3 ? "some change" : "much change";
    return [h("dt", { title: words }, title), h("dd", {}, set(bar, { "--value": Math.min(1, value) }), h("span", {}, `${percent} %, ${judged}`))];
  });
  if (!rows.length) return null;
  return h(
    "div.drift", {},
    h("h3", {}, "From the first to the last seconds of a shot"),
    h("p.soft", {}, "How far the end of a shot has drifted from its beginning. Long films made piece by piece burn or freeze; this shows whether yours did."),
    h("dl.bars", {}, rows),
  );
}

const PHASES = { load: "Load", plan: "Plan", render: "Paint", decode: "Decode", encode: "Encode", join: "Join", total: "In all" };

function times(answer) {
  const wall = answer.wall ?? {};
  const rows = Object.entries(wall).filter(([name, value]) => PHASES[name] && typeof value === "number");
  if (!rows.length) return null;
  const most = Math.max(...rows.map(([, value]) => value), 0.001);
  return h(
    "div.drift", {},
    h("h3", {}, "Where the time went"),
    h("dl.bars.times", {}, rows.map(([name, value]) => [
      h("dt", {}, PHASES[name]),
      h("dd", {}, set(h("div.bar", { "aria-hidden": "true" }), { "--value": value / most }), h("span", {}, span(value))),
    ])),
    h("p.soft", {}, ["Phases overlap, so they are more than the whole.", busy(answer)].join(" ")),
  );
}

function busy({ utilisation, renderers, windows_rendered: painted, windows }) {
  if (utilisation === null || utilisation === undefined || !renderers) return "";
  return `${painted} of ${count(windows, "window")} were painted, by ${count(renderers, "renderer")} that had work for ${Math.round(utilisation * 100)} % of the time.`;
}
