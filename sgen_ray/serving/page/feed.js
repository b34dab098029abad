// The events of a job, folded into what the view shows. `fold` is a pure function; `follow` keeps the stream open.

import { address } from "./api.js";

const TYPES = ["state", "started", "phase", "window", "segment", "lost", "steps", "end"];

/** Nothing has happened yet. Times of windows are seconds since the job was submitted, which is its first event. */
export const nothing = () => ({
  state: null,
  error: null,
  plans: 0, // how often a plan was finished: its picture changes with it
  planSteps: null,
  started: null, // {windows, segments, renderers, device, windows_reused, segments_reused, reused: [window]}
  windows: {}, // by number: {renderer, begin, end, done, total, finished}
  segments: [],
  phases: {}, // by name: {state, seconds}
  eta: null,
  lost: [],
  zero: null, // seconds since 1970
  at: null, // the same, of the last event
  ended: false,
});

export function fold(before, { type, at, data }) {
  const zero = before.zero ?? at;
  const now = { ...before, zero, at: Math.max(at, before.at ?? at) };
  switch (type) {
    case "state": {
      const again = data.state === "planning"; // another worker begins anew, with what is stored
      const plans = before.plans + (data.state === "awaiting_approval" ? 1 : 0);
      const fresh = again ? { ...nothing(), zero, plans: before.plans, lost: before.lost, at: now.at } : now;
      return { ...fresh, plans, state: data.state, error: data.error ?? null };
    }
    case "started":
      return { ...now, started: data, windows: {}, segments: [] };
    case "phase":
      return { ...now, phases: { ...now.phases, [data.phase]: { state: data.state, seconds: data.seconds ?? null } } };
    case "window": {
      const one = { ...now.windows[data.window], ...data, finished: true, done: 1, total: 1 };
      return { ...now, windows: { ...now.windows, [data.window]: one } };
    }
    case "segment":
      return { ...now, segments: [...new Set([...now.segments, data.segment])] };
    case "lost":
      return { ...now, lost: [...now.lost, { at, ...data }], windows: unfinished(now.windows, data) };
    case "steps": {
      const windows = { ...now.windows };
      for (const step of data.windows ?? []) {
        const known = windows[step.window];
        if (known?.finished) continue;
        const same = known?.renderer === step.renderer;
        windows[step.window] = { ...step, begin: same ? known.begin : at - zero, end: at - zero, finished: false };
      }
      return { ...now, windows, planSteps: data.plan ?? now.planSteps, eta: data.eta ?? null };
    }
    case "end":
      return { ...now, ended: true, eta: null };
  }
  return before;
}

/** A worker was lost: what it was painting will be painted by another. */
function unfinished(windows, { work }) {
  const number = /render (\d+)/.exec(work ?? "")?.[1];
  if (number === undefined || windows[number]?.finished) return windows;
  const { [number]: _, ...rest } = windows;
  return rest;
}

/** How far the film is, as shares that were done: {done, total, reused, share}. */
export function progress(now) {
  const total = now.started?.windows ?? 0;
  const reused = now.started?.windows_reused ?? 0;
  const all = Object.values(now.windows);
  const painted = all.filter((one) => one.finished).length;
  const parts = all.reduce((sum, one) => sum + (one.finished ? 1 : one.done / one.total || 0), 0);
  return { done: Math.min(total, painted + reused), total, reused, share: total ? Math.min(1, (parts + reused) / total) : 0 };
}

/** Of every window "waiting" | "painting" | "done" | "reused". */
export function windowStates(now) {
  const { windows: total = 0, reused = [] } = now.started ?? {};
  return Array.from({ length: total }, (_, index) => {
    const one = now.windows[index];
    if (one) return one.finished ? "done" : "painting";
    return reused.includes(index) ? "reused" : "waiting";
  });
}

/** Calls `changed(now)` with every event until the film is over; gives a function that stops. `broken(lost, closed)`:
 *  the connection is lost, and is made again; `closed`: the service answers, but with no stream, for now. */
export function follow(id, changed, broken = () => {}) {
  let now = nothing();
  let due = false;
  let last = 0;
  let source = null;
  let timer = null;
  let refusals = 0;
  const tell = () => {
    due = false;
    changed(now);
  };
  const seen = (type) => (message) => {
    last = Number(message.lastEventId) || last;
    now = fold(now, { type, ...read(message.data) });
    if (now.ended) {
      source.close();
      tell();
    } else if (!due) {
      due = true; // one picture for all that came at once
      setTimeout(tell, 60);
    }
  };
  function open() {
    source = new EventSource(address.events(id, last)); // connects again by itself, with Last-Event-ID, unless it is refused
    for (const type of TYPES) source.addEventListener(type, seen(type));
    source.addEventListener("open", () => {
      refusals = 0;
      broken(false);
    });
    source.addEventListener("error", () => {
      const closed = source.readyState === EventSource.CLOSED;
      if (closed) timer = setTimeout(open, 1000 * Math.min(30, 2 ** refusals++));
      broken(true, closed);
    });
  }
  open();
  return () => {
    clearTimeout(timer);
    source.close();
  };
}

function read(text) {
  const { at = Date.now() / 1000, data, ...rest } = JSON.parse(text);
  return { at, data: data ?? rest };
}
