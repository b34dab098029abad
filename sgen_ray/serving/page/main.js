// Where everything begins: who is asking, which view the address names, and what is the same in every view.

import { onLocked, videos } from "./api.js";
import { composer } from "./composer.js";
import { clearNotices, h, notice, show } from "./dom.js";
import { filmView } from "./film.js";
import { filmList } from "./history.js";
import { startKeys } from "./keys.js";
import { leave, loginForm, session } from "./login.js";
import { startTheme } from "./theme.js";

const view = document.getElementById("view");
const fold = document.getElementById("fold");
const list = filmList(document.getElementById("films"));
const turnLight = startTheme(document.getElementById("theme"));
let here = null;
let turn = 0;

const go = (id) => (location.hash = id ? `#/${id}` : "#/");

const moment = () => show(view, h("p.soft", {}, "One moment …"));

function enter(next) {
  here = next;
  document.title = `${next.title} – sgen`;
}

async function route({ focus = true } = {}) {
  const mine = ++turn;
  here?.close?.();
  here = null;
  clearNotices();
  unfold(false);
  const id = decodeURIComponent(location.hash.replace(/^#\/?/, ""));
  list.current(id || null);
  if (!id) enter(composer(view, arrived));
  else {
    moment();
    try {
      const film = await videos.get(id);
      if (mine !== turn) return;
      enter(filmView(view, film, { went: arrived, changed: () => list.refresh() }));
    } catch (problem) {
      if (mine !== turn) return;
      if (problem.status === 401) return;
      show(
        view,
        h("h1", { id: "heading", tabindex: -1 }, "This film is not there"),
        h("p.lead", {}, problem.message),
        h("p", {}, h("a.button", { href: "#/" }, "New film")),
      );
      document.title = "Not there – sgen";
      view.querySelector("h1").focus();
      return;
    }
  }
  scrollTo(0, 0);
  if (focus) here?.focus();
}

/** A film was ordered, or, null, deleted. */
function arrived(film) {
  list.refresh();
  go(film?.id);
}

function unfold(open) {
  fold.setAttribute("aria-expanded", open);
  document.getElementById("shelf").classList.toggle("open", open);
}

function lock() {
  turn += 1;
  here?.close?.();
  document.body.classList.add("locked");
  enter(loginForm(view, () => location.reload()));
  here.focus();
}

function neighbour(by) {
  const all = list.all();
  const at = all.indexOf(decodeURIComponent(location.hash.slice(2)));
  const next = at < 0 ? all[0] : all[at + by];
  if (next) go(next);
}

const help = startKeys({
  n: { words: "a new film", act: () => go("") },
  j: { words: "the next film of the list", act: () => neighbour(1) },
  k: { words: "the film before", act: () => neighbour(-1) },
  p: { words: "play or pause", act: () => here?.play?.() },
  e: { words: "edit a shot of this film", act: () => here?.edit?.() },
  d: { words: "dark or light", act: turnLight },
  "?": { words: "these shortcuts", act: () => help() },
});

document.getElementById("help").addEventListener("click", () => help());
document.getElementById("leave").addEventListener("click", () => leave().then(() => location.reload(), (problem) => notice(problem.message)));
fold.addEventListener("click", () => unfold(fold.getAttribute("aria-expanded") !== "true"));
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address names a film, not a place in the page
  view.focus();
});
addEventListener("hashchange", () => route());
onLocked(lock);

moment();
try {
  const who = await session();
  document.getElementById("leave").hidden = !(who.login && who.tenant);
  if (who.login && !who.tenant) lock();
  else {
    list.refresh();
    await route({ focus: false });
  }
} catch (problem) {
  notice(problem.message);
  await route({ focus: false });
}
