// What can be made of a film that is there: another shot in it, more of it, or the same anew.

import { videos } from "./api.js";
import { h, say, show } from "./dom.js";
import { clock } from "./format.js";

/** {element, update(video), pick(shot)}; `made(video)` with the new film. */
export function changes(made) {
  const element = h("div.changes");
  let film = null;
  let shown = "";

  function card(name, lead, fields, button, act) {
    const problem = h("p.problem", { role: "alert", hidden: true });
    const go = h("button.main", { type: "submit" }, button);
    const form = h("form.card", {
      onsubmit: async (event) => {
        event.preventDefault();
        problem.hidden = true;
        go.disabled = true;
        try {
          made(await act(film.id));
        } catch (error) {
          problem.textContent = error.message;
          problem.hidden = false;
        } finally {
          go.disabled = false;
        }
      },
    }, h("h3", {}, name), h("p.soft", {}, lead), fields, problem, go);
    return form;
  }

  function shotField(id, text) {
    const select = h(
      "select", { id, onchange: () => (text.value = film.shots[select.value - 1].prompt) },
      film.shots.map((shot, index) => h("option", { value: index + 1 }, `${index + 1}: ${short(shot.prompt)}`)),
    );
    return { select, field: film.shots.length > 1 && h("label.field", { for: id }, "Shot", select) };
  }

  const area = (id, label, value, attributes = {}) => {
    const text = h("textarea", { id, rows: 3, maxlength: 2000, value, ...attributes });
    return { text, field: h("label.field", { for: id }, label, text) };
  };

  function build() {
    const edit = area("edit-prompt", "What happens instead", film.shots[0].prompt, { required: true });
    const which = shotField("edit-shot", edit.text);
    const remix = area("remix-prompt", "What happens instead", film.shots[0].prompt, { required: true });
    const whichRemix = shotField("remix-shot", remix.text);
    const more = area("extend-prompt", "What happens then", "", { placeholder: "empty: more of the last shot" });
    const seconds = h("input", { id: "extend-seconds", type: "number", min: 1, max: 1200, step: "any", value: 15, required: true });
    show(
      element,
      card(
        "Edit a shot", "The rest keeps its plan; only windows that see this shot are painted again.",
        [which.field, edit.field], "Paint this shot again",
        (id) => videos.edit(id, Number(which.select.value), edit.text.value.trim()),
      ),
      card(
        "Make it longer", "A new shot at the end, or more of the last one.",
        [h("label.field", { for: "extend-seconds" }, "Seconds", seconds), more.field], "Extend the film",
        (id) => videos.extend(id, Number(seconds.value), more.text.value.trim()),
      ),
      card(
        "Remix", "A film like this one with another idea in it. This one stays.",
        [whichRemix.field, remix.field], "Make the remix",
        (id) => videos.remix(id, remix.text.value.trim(), Number(whichRemix.select.value)),
      ),
    );
  }

  return {
    element,
    update(video) {
      film = video;
      const key = JSON.stringify([video.id, video.shots]);
      if (key !== shown) build();
      shown = key;
    },
    /** Shot `number` is the one to edit. */
    pick(number, focus = false) {
      const select = element.querySelector("#edit-shot");
      if (select) {
        select.value = number;
        select.dispatchEvent(new Event("change"));
      }
      const begin = film ? film.shots.slice(0, number - 1).reduce((sum, shot) => sum + shot.seconds, 0) : 0;
      if (focus) element.querySelector("#edit-prompt")?.focus();
      else say(`Shot ${number}, at ${clock(begin)}`);
    },
  };
}

const short = (text) => (text.length > 48 ? `${text.slice(0, 47)}…` : text);
