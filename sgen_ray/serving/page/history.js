// The films so far, newest first, a page at a time; states stay as they are now.

import { address, videos } from "./api.js";
import { h, show } from "./dom.js";
import { ago, clock, count, isOver, stateName, title } from "./format.js";

const PAGE = 20;

/** {refresh(), current(id), all(), forget(id)} in the element `nav`. */
export function filmList(nav) {
  const list = h("ol");
  const more = h("button.quiet", { type: "button", hidden: true, onclick: () => loadMore() }, "Older films");
  const empty = h("p.soft", { hidden: true }, "No films yet.");
  show(nav, list, empty, more);
  let films = [];
  let pages = 1;
  let open = null;
  let timer = null;
  let drawn = "";
  let running = false;

  async function refresh() {
    clearTimeout(timer);
    if (running) return;
    running = true;
    try {
      let found = [];
      let after = null;
      for (let page = 0; page < pages; page++) {
        const answer = await videos.list(after, PAGE);
        found = [...found, ...answer.data];
        more.hidden = !answer.has_more;
        if (!answer.has_more) break;
        after = answer.last_id;
      }
      films = found;
      draw();
    } catch {
      // The view that is open says what is wrong; this looks again.
    } finally {
      running = false;
      const busy = films.some((film) => !isOver(film));
      timer = setTimeout(() => (document.hidden ? (timer = null) : refresh()), busy ? 3000 : 20000);
    }
  }

  function loadMore() {
    pages += 1;
    refresh();
  }

  function draw() {
    const key = JSON.stringify([films.map((film) => [film.id, film.state, film.progress, film.cancel_requested, ago(film.created_at)]), open]);
    if (key === drawn) return;
    drawn = key;
    const focused = document.activeElement?.closest?.("#films a")?.getAttribute("href");
    empty.hidden = films.length > 0;
    show(list, films.map(item));
    if (focused) list.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
  }

  function item(film) {
    const state = stateName(film);
    const working = !isOver(film) && film.windows.total ? ` ${film.progress} %` : "";
    const picture = film.state === "completed"
      ? h("img", { src: address.picture(film.id, "thumbnail"), alt: "", loading: "lazy", width: 64, height: 36 })
      : h("span.blank", { "aria-hidden": "true" });
    return h(
      "li", {},
      h(
        "a", { href: `#/${film.id}`, "aria-current": film.id === open ? "page" : null },
        picture,
        h("span.what", {}, title(film)),
        h("span.state", { "data-state": film.state }, state + working),
        h("span.when", {}, [clock(Number(film.seconds)), film.shots.length > 1 && count(film.shots.length, "shot"), ago(film.created_at)].filter(Boolean).join(" · ")),
      ),
    );
  }

  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  return {
    refresh,
    current(id) {
      open = id;
      draw();
    },
    all: () => films.map((film) => film.id),
  };
}
