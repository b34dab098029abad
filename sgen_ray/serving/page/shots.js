// The storyboard as a form: shots in their order, each with its prompt and seconds, and the film's length.

import { h, say, set, show, write } from "./dom.js";
import { clock, count, total } from "./format.js";
import { looksLikeStory, parseStory } from "./story.js";

const PLACEHOLDER = "An astronaut walking on Mars, the Earth visible in the sky";

/** An editor: {element, shots(), put(shots), insert(text), mark(number, message)}. `changed(shots)` after every change. */
export function shotEditor(shots, { changed = () => {}, seconds = 60, most = 1200 } = {}) {
  const list = h("ol.shots");
  const ruler = h("div.ruler", { "aria-hidden": "true" });
  const length = h("output.length", {});
  const add = h("button.quiet", { type: "button", onclick: () => insert() }, "Add a shot");
  let written = null; // where somebody wrote last
  list.addEventListener("focusin", ({ target }) => target.matches("textarea") && (written = target));
  const element = h("div.storyboard", {}, list, ruler, h("div.row", {}, add, h("span.grow"), length));

  const rows = () => [...list.children];
  const read = () =>
    rows().map((row) => ({
      prompt: row.querySelector("textarea").value.trim(),
      seconds: Number(row.querySelector("input").value),
    }));

  function insert() {
    const last = rows().at(-1)?.querySelector("input").value;
    const row = makeRow({ prompt: "", seconds: Math.min(Number(last) || 15, 15) });
    list.append(row);
    refresh();
    row.querySelector("textarea").focus();
    say(`Shot ${list.children.length} added`);
  }

  function makeRow(shot) {
    const text = h("textarea", {
      rows: 1, maxlength: 2000, placeholder: PLACEHOLDER, value: shot.prompt, required: true,
      oninput: () => {
        text.removeAttribute("aria-invalid");
        refresh();
      },
      onpaste: (event) => paste(event, row),
    });
    const time = h("input", {
      type: "number", min: 1, max: most, step: "any", value: shot.seconds, inputmode: "decimal", required: true,
      oninput: () => refresh(),
    });
    const tool = (sign, name, act) =>
      h("button.plain", { type: "button", "data-does": name, onclick: () => act(row) }, h("span", { "aria-hidden": "true" }, sign));
    const row = h(
      "li.shot", { onkeydown: (event) => keys(event, row) },
      h("span.number", { "aria-hidden": "true" }),
      h("div.words", {}, text, h("p.fault", { hidden: true })),
      h("div.time", {}, time, h("span.unit", { "aria-hidden": "true" }, "s")),
      h(
        "div.moves", {},
        tool("↑", "earlier", (row) => move(row, -1)),
        tool("↓", "later", (row) => move(row, 1)),
        tool("×", "remove", remove),
      ),
    );
    return row;
  }

  function move(row, by) {
    const place = rows().indexOf(row) + by;
    if (place < 0 || place >= list.children.length) return;
    if (by < 0) row.previousElementSibling.before(row);
    else row.nextElementSibling.after(row);
    refresh();
    say(`Now shot ${place + 1} of ${list.children.length}`);
  }

  function shift(row, by) {
    const focused = document.activeElement;
    move(row, by);
    focused.focus(); // a row that is moved loses it
  }

  function remove(row) {
    const place = rows().indexOf(row);
    row.remove();
    refresh();
    (rows()[Math.min(place, list.children.length - 1)] ?? add).querySelector("textarea").focus();
    say(`Shot ${place + 1} removed`);
  }

  function keys(event, row) {
    if (!event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
    event.preventDefault();
    shift(row, event.key === "ArrowUp" ? -1 : 1);
  }

  function paste(event, row) {
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (!looksLikeStory(text)) return;
    event.preventDefault();
    try {
      put(parseStory(text));
      say(`A storyboard of ${count(list.children.length, "shot")} was pasted`);
    } catch (problem) {
      fault(row, `${problem.message}; nothing was pasted`);
    }
  }

  function fault(row, message) {
    const place = row.querySelector(".fault");
    const text = row.querySelector("textarea");
    place.hidden = !message;
    place.id ||= `fault-${Math.random().toString(36).slice(2)}`;
    write(place, message);
    text.toggleAttribute("aria-invalid", Boolean(message));
    if (message) {
      text.setAttribute("aria-invalid", "true");
      text.setAttribute("aria-describedby", place.id);
    } else text.removeAttribute("aria-describedby");
  }

  function refresh() {
    const now = read();
    const all = total(now);
    let begin = 0;
    element.classList.toggle("single", now.length === 1);
    rows().forEach((row, index) => {
      const name = now.length === 1 ? "" : ` of shot ${index + 1}`;
      write(row.querySelector(".number"), `${index + 1}`);
      row.querySelector("textarea").setAttribute("aria-label", `What happens${name || " in the film"}`);
      row.querySelector("input").setAttribute("aria-label", `Seconds${name}`);
      for (const button of row.querySelectorAll("[data-does]")) {
        const does = button.dataset.does;
        const label = { earlier: "Move shot earlier", later: "Move shot later", remove: "Remove shot" }[does];
        button.setAttribute("aria-label", `${label.replace("shot", `shot ${index + 1}`)}`);
        button.title = label;
        button.disabled = (does === "earlier" && !index) || (does === "later" && index === now.length - 1);
      }
      fault(row, "");
      begin += now[index].seconds || 0;
    });
    show(ruler, now.map((shot, index) => set(h("i", {}, `${index + 1}`), { "--part": shot.seconds || 0.1 })));
    write(length, now.length === 1 ? `${clock(all)} long` : `${now.length} shots, ${clock(all)} in all`);
    length.classList.toggle("over", all > most);
    changed(now);
  }

  function put(shots) {
    show(list, (shots.length ? shots : [{ prompt: "", seconds }]).map(makeRow));
    refresh();
  }

  put(shots);
  return {
    element,
    shots: read,
    put,
    /** A word at the cursor of the shot that was written last. */
    insert: (word) => {
      const text = written?.isConnected ? written : rows()[0].querySelector("textarea");
      const { selectionStart: at, selectionEnd: to, value } = text;
      const before = at && !/\s$/.test(value.slice(0, at)) ? " " : "";
      const after = /^[\s,.;:!?]/.test(value.slice(to)) ? "" : " ";
      text.setRangeText(before + word + after, at, to, "end");
      text.focus();
      text.dispatchEvent(new Event("input", { bubbles: true }));
    },
    mark: (number, message) => {
      const row = rows()[number - 1] ?? rows()[0];
      fault(row, message);
      row.querySelector("textarea").focus();
    },
    focus: () => rows()[0].querySelector("textarea").focus(),
  };
}
