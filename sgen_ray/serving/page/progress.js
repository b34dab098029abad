// How far a film is: its phases, its share, when it will be there. Only what happened, never a guess.

import { h, say, set, show, write } from "./dom.js";
import { count, span } from "./format.js";
import { progress as progressOf } from "./feed.js";

const PHASES = [["load", "Load"], ["plan", "Plan"], ["render", "Paint"], ["decode", "Decode"], ["encode", "Encode"], ["join", "Join"]];

/** A plan that was there before: it was approved, or is an earlier film's. */
const KEPT = { state: "finished", seconds: null };

const NOW = {
  queued: "Waiting for a free place",
  planning: "Planning the whole film",
  rendering: "Painting",
  stitching: "Joining it into one film",
};

/** {element, update(video, feed)} */
export function progressPanel() {
  const bar = h("div.meter", { role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": "Windows painted" });
  const headline = h("p.headline");
  const eta = h("p.soft");
  const phases = h("ol.phases", { "aria-label": "Phases" });
  const losses = h("ul.losses");
  const element = h("section.progress", { "aria-label": "Progress" }, headline, bar, eta, phases, losses);

  return {
    element,
    update(video, feed) {
      const state = feed.state ?? video.state;
      const { done, total, reused, share } = progressOf(feed);
      const percent = Math.round(100 * (state === "planning" && feed.planSteps ? 0 : share));
      element.hidden = !(state in NOW);
      write(headline, video.cancel_requested ? "Stopping at the next step" : NOW[state] ?? "");
      bar.setAttribute("aria-valuenow", percent);
      bar.setAttribute("aria-valuetext", total ? `${done} of ${count(total, "window")}` : NOW[state] ?? state);
      set(bar, { "--share": share });
      bar.classList.toggle("unsure", !total);
      write(eta, words(state, feed, done, total, reused));
      show(phases, PHASES.map(([name, title]) => phase(title, feed.phases[name] ?? (name === "plan" && feed.started ? KEPT : undefined))));
      show(losses, feed.lost.slice(-3).map((loss) => h("li", {}, lossWords(loss))));
      if (state === "rendering" && total) say(`${done} of ${count(total, "window")} painted${feed.eta ? `, ${span(feed.eta)} to go` : ""}`, true);
    },
  };
}

function words(state, feed, done, total, reused) {
  if (state === "planning" && feed.planSteps) return `step ${feed.planSteps.done} of ${feed.planSteps.total}`;
  if (!total) return "";
  const parts = [`${done} of ${count(total, "window")}`];
  if (reused) parts.push(`${reused} kept from an earlier film`);
  if (feed.eta !== null && state === "rendering") parts.push(`about ${span(Math.max(1, feed.eta))} to go`);
  return parts.join(", ");
}

function phase(title, known) {
  const state = known?.state ?? "ahead";
  const said = { ahead: "not begun", started: "under way", finished: "done" }[state];
  return h(`li.${state}`, {}, h("span.dot", { "aria-hidden": "true" }), title, h("span.unseen", {}, `, ${said}`), known?.seconds ? h("small", {}, span(known.seconds)) : null);
}

const WORK = { render: "painting window", decode: "decoding part", plan: "planning" };

/** "renderer 1", "render 3" -> "The renderer 2 … window 4": people count from 1. */
function lossWords({ worker, work, cause }) {
  const [, method, number] = /^(\w+)(?: (\d+))?/.exec(work ?? "") ?? [];
  const doing = WORK[method] ? ` while ${WORK[method]}${number && method !== "plan" ? ` ${Number(number) + 1}` : ""}` : "";
  const who = (worker ?? "worker").replace(/\d+$/, (at) => Number(at) + 1);
  return `The ${who} was lost${doing}: ${cause ?? "no cause given"}. Another takes over.`;
}
