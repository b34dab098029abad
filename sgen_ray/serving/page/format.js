// Times and numbers as people write them.

/** 75.5 -> "1:15.5"; 60 -> "1:00". */
export function clock(seconds) {
  const tenths = Math.round(seconds * 10);
  const rest = tenths % 600;
  const whole = String(Math.floor(rest / 10)).padStart(2, "0");
  return `${Math.floor(tenths / 600)}:${whole}${rest % 10 ? `.${rest % 10}` : ""}`;
}

/** 0.42 -> "0.4 s"; 75 -> "1 min 15 s". */
export function span(seconds) {
  if (seconds < 10) return `${(Math.round(seconds * 10) / 10).toString()} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes >= 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return whole % 60 ? `${minutes} min ${whole % 60} s` : `${minutes} min`;
}

const AGO = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** Seconds since 1970 -> "3 minutes ago". */
export function ago(at, now = Date.now() / 1000) {
  const past = Math.max(0, now - at);
  for (const [unit, size, most] of [["minute", 60, 60], ["hour", 3600, 24], ["day", 86400, 30]]) {
    if (past < size) return unit === "minute" ? "just now" : AGO.format(-1, unit);
    if (past < size * most) return AGO.format(-Math.floor(past / size), unit);
  }
  return new Date(at * 1000).toLocaleDateString();
}

export const total = (shots) => Math.round(shots.reduce((sum, shot) => sum + (Number(shot.seconds) || 0), 0) * 100) / 100;

export const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

/** The first words of a film, for lists and titles. */
export function title(video) {
  const first = video.shots?.[0]?.prompt ?? video.prompt ?? video.id;
  return first.charAt(0).toUpperCase() + first.slice(1);
}

const STATES = {
  queued: "waiting",
  planning: "planning",
  awaiting_approval: "plan to approve",
  rendering: "painting",
  stitching: "joining",
  completed: "ready",
  failed: "failed",
  cancelled: "stopped",
};

export const stateName = (video) =>
  video.cancel_requested && !isOver(video) ? "stopping" : STATES[video.state] ?? video.state;

export const isOver = (video) => ["completed", "failed", "cancelled"].includes(video.state);
