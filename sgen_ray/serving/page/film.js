// The view of one film, from its order to its edits: what it is, the player, its timeline, its figures.

import { address, videos } from "./api.js";
import { approval, planPicture } from "./approval.js";
import { keepAs } from "./cast.js";
import { changes } from "./changes.js";
import { ask, h, notice, say, set, show, write } from "./dom.js";
import { follow, nothing } from "./feed.js";
import { ago, clock, count, isOver, stateName, title } from "./format.js";
import { lanes } from "./lanes.js";
import { playLive, playWhole } from "./player.js";
import { progressPanel } from "./progress.js";
import { figures } from "./report.js";
import { filmStrip, sprites } from "./strip.js";

const KINDS = { edit: "An edit of", extend: "Longer than", remix: "A remix of", render: "Painted again from" };

/** Shows the film in `view`; `went(video)` to another film or, with null, away; `changed()` when the list is old. */
export function filmView(view, first, { went, changed }) {
  let film = first;
  let feed = nothing();
  let live = null;
  let over = false;
  const screen = h("video", { muted: true, playsinline: true, preload: "metadata", "aria-label": `The film: ${title(film)}` });
  screen.muted = true;
  const veil = h("p.veil");
  const progress = progressPanel();
  const strip = filmStrip(screen, { picked: (shot) => change.pick(shot) });
  const approve = approval(() => refresh());
  const painted = lanes();
  const change = changes((video) => went(video));
  const parts = {
    crumb: h("p.crumb"),
    chip: h("span.chip-state"),
    facts: h("span"),
    actions: h("div.row.actions"),
    problem: h("div.verdict", { role: "alert", hidden: true }),
    link: h("p.verdict", { role: "status", hidden: true }, "The connection to the service is lost. It is tried again; the film goes on meanwhile."),
    plan: h("details.planned", { hidden: true }, h("summary", {}, "The plan it was painted from")),
    report: h("section", { "aria-labelledby": "report-heading", hidden: true }),
    change: h("section", { "aria-labelledby": "change-heading", hidden: true }, h("h2", { id: "change-heading" }, "Change it"), change.element),
    lanes: h("section", { "aria-labelledby": "lanes-heading", hidden: true }, h("h2", { id: "lanes-heading" }, "Who painted what"), painted.element),
  };
  const stage = h("div.stage", {}, screen, veil);

  show(
    view,
    h(
      "article.film", {},
      h(
        "header.slate", {},
        h("div", {}, parts.crumb, h("h1", { id: "heading", tabindex: -1 }, title(film)), h("p.meta", {}, parts.chip, parts.facts)),
        parts.actions,
      ),
      parts.problem,
      parts.link,
      approve.element,
      h("section", { "aria-label": "The film" }, stage, strip.element),
      progress.element,
      parts.lanes,
      parts.report,
      parts.change,
      parts.plan,
    ),
  );
  strip.shots(film.shots);
  const [width, height] = film.size.split("x");
  set(stage, { "--shape": `${width} / ${height}` });
  screen.addEventListener("waiting", () => live && !isOver(film) && write(veil, "The next seconds are being painted"));
  screen.addEventListener("playing", () => write(veil, ""));

  function update() {
    write(parts.chip, stateName(film));
    parts.chip.dataset.state = film.state;
    write(parts.facts, [clock(Number(film.seconds)), film.size.replace("x", " × "), `${film.fps} fps`, film.model, `seed ${film.seed}`, ago(film.created_at)].join(" · "));
    const origin = film.remixed_from_video_id;
    show(parts.crumb, origin && KINDS[film.kind] ? [`${KINDS[film.kind]} `, h("a", { href: `#/${origin}` }, "an earlier film")] : []);
    verdict();
    actions();
    approve.update(film, feed.plans);
    progress.update(film, feed);
    strip.update(feed);
    parts.lanes.hidden = !Object.keys(feed.windows).length;
    painted.update(feed); // it is as wide as there is room, so it must be seen before
    stage.parentElement.hidden = ["awaiting_approval"].includes(film.state) || (isOver(film) && film.state !== "completed" && !live);
    screening();
    plan();
  }

  function screening() {
    if (isOver(film) && film.state !== "completed") live?.(); // nothing more will come
    if (film.state === "completed" && !live && !screen.src) {
      write(veil, "");
      screen.controls = true;
      playWhole(screen, film.id);
    } else if (feed.started && !isOver(film) && !live) {
      write(veil, "The first seconds are being painted");
      live = playLive(screen, film.id, () => {
        write(veil, "");
        screen.controls = true;
        if (!matchMedia("(prefers-reduced-motion: reduce)").matches) screen.play().catch(() => {});
        say("The film can be played");
      });
    } else if (!feed.started && !isOver(film)) write(veil, film.state === "planning" ? "The film is being planned" : "");
  }

  function verdict() {
    const error = film.state === "completed" ? null : film.error;
    parts.problem.hidden = !error;
    if (!error || parts.problem.dataset.of === error.message) return;
    parts.problem.dataset.of = error.message;
    const head = film.state === "cancelled" ? "It was stopped" : "It could not be made";
    show(parts.problem, h("h2", {}, head), h("p.cause", {}, error.message), h("p.soft", {}, "What was painted is kept: the same film again goes on from there."));
  }

  function actions() {
    const key = `${film.state} ${film.cancel_requested}`;
    if (parts.actions.dataset.of === key) return;
    parts.actions.dataset.of = key;
    const ready = film.state === "completed";
    show(
      parts.actions,
      ready && h("a.button.main", { href: address.film(film.id), download: `${film.id}.mp4` }, "Download"),
      !isOver(film) && h("button.quiet", { type: "button", disabled: film.cancel_requested, onclick: () => act(() => videos.cancel(film.id)) }, "Stop it"),
      ready && h("button.quiet", { type: "button", onclick: () => keepAs([h("p.soft", {}, "Who is in this film is recognised, and kept under a name.")], () => ({ id: film.id })) }, "Keep as a character"),
      isOver(film) && !ready && h("button.main", { type: "button", onclick: () => again() }, "Try the same again"),
      h("button.quiet.danger", { type: "button", onclick: () => remove() }, "Delete"),
    );
  }

  async function act(deed) {
    try {
      await deed();
      await refresh();
      changed();
    } catch (error) {
      notice(error.message);
    }
  }

  const again = () => act(async () => went(await videos.retry(film.id)));

  async function remove() {
    const working = !isOver(film) ? "Its work stops. " : "";
    const sure = await ask("Delete this film?", h("p", {}, `${working}The film and its record go away for good.`), { confirm: "Delete it", bad: true });
    if (!sure) return;
    try {
      await videos.remove(film.id);
      went(null);
    } catch (error) {
      notice(error.message);
    }
  }

  function plan() {
    parts.plan.hidden = !film.plan_ready || film.state === "awaiting_approval";
    if (parts.plan.hidden || parts.plan.querySelector("img")) return;
    parts.plan.addEventListener("toggle", () => parts.plan.querySelector("img") ?? parts.plan.append(planPicture(film, feed.plans)), { once: true });
  }

  async function finished() {
    if (film.state !== "completed" || over) return;
    over = true;
    parts.change.hidden = false;
    change.update(film);
    const report = await videos.report(film.id).catch(() => null);
    if (report) {
      show(parts.report, h("h2", { id: "report-heading" }, "How it came out"), figures(report));
      parts.report.hidden = false;
    }
    const sheet = new Image();
    sheet.src = address.picture(film.id, "spritesheet");
    await sheet.decode().then(() => strip.pictures(sprites(sheet.src, cellsOf(sheet), Math.max(4, Math.floor(stage.clientWidth / 88)))), () => {});
  }

  /** The service's sheet has a cell a second, at most a hundred, ten in a row. */
  function cellsOf(sheet) {
    const cells = Math.max(1, Math.min(100, Math.round(Number(film.seconds))));
    const columns = Math.min(10, cells);
    const rows = Math.ceil(cells / columns);
    return { columns, rows, count: cells, width: sheet.naturalWidth / columns, height: sheet.naturalHeight / rows };
  }

  let known = first.state;
  async function refresh() {
    try {
      film = await videos.get(film.id);
    } catch (error) {
      if (error.status === 404) stop(); // somebody has deleted it
      else if (error.code !== "unreachable") notice(error.message); // which `parts.link` says
      return;
    }
    if (film.state !== known) {
      known = film.state;
      say(`${title(film)}: ${stateName(film)}`);
      changed();
    }
    strip.shots(film.shots);
    update();
    finished();
  }

  let seen = "";
  let timer = null;
  const stop = follow(
    film.id,
    (now) => {
      feed = now;
      // A plan that was made again may be there within one picture: then the state is what it was.
      const turn = `${feed.state} ${feed.plans} ${feed.ended}`;
      if (turn === seen) return update();
      seen = turn;
      refresh();
    },
    (lost, closed) => {
      parts.link.hidden = !lost || isOver(film);
      clearTimeout(timer);
      if (closed && !isOver(film)) poll();
    },
  );

  /** Where there is no stream of events, looks are what is left. */
  async function poll() {
    clearTimeout(timer);
    await refresh();
    parts.link.hidden ||= isOver(film);
    if (!isOver(film)) timer = setTimeout(poll, 2000);
  }

  update();
  finished();
  return {
    title: title(film),
    focus: () => view.querySelector("#heading").focus(),
    play: () => (screen.paused ? screen.play().catch(() => {}) : screen.pause()),
    edit: () => !parts.change.hidden && change.pick(1, true),
    described: () => `${stateName(film)}, ${count(film.shots.length, "shot")}`,
    close() {
      stop();
      clearTimeout(timer);
      live?.();
      screen.removeAttribute("src");
      screen.load();
    },
  };
}
