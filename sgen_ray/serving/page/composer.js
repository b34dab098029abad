// The view that makes a new film: a prompt or a storyboard, options folded away, and whether to see the plan first.

import { models, videos } from "./api.js";
import { cast } from "./cast.js";
import { ask, h, say, show, write } from "./dom.js";
import { firstFrame } from "./first.js";
import { looksLikeStory, parseStory, StoryProblem } from "./story.js";
import { shotEditor } from "./shots.js";
import { recall, remember } from "./theme.js";
import { total } from "./format.js";
import { wordHints } from "./words.js";

const DRAFT = "sgen.draft";
const EXAMPLES = {
  "The astronaut": [{ prompt: "An astronaut walking on Mars, the Earth visible in the sky", seconds: 60 }],
  "The water cycle": [
    { prompt: "water evaporating from the ocean under a hot sun", seconds: 15 },
    { prompt: "clouds forming over the mountains", seconds: 15 },
    { prompt: "rain falling on the mountains", seconds: 15 },
    { prompt: "a river flowing back to the ocean", seconds: 15 },
  ],
  "A product on a stand": [{ prompt: "A golden watch rotating on a turntable in a studio", seconds: 20 }],
};

/** Shows it in `view`; `made(video)` once the service took the order. */
export function composer(view, made) {
  const draft = readDraft();
  const hints = wordHints();
  const model = h("select", { id: "model", onchange: () => chosen() });
  const number = (id, label, hint, attributes) =>
    h("label.field", { for: id }, label, h("input", { id, type: "number", ...attributes }), h("small", {}, hint));
  const size = h("input", { id: "size", pattern: "\\s*\\d+\\s*[xX×]\\s*\\d+\\s*", placeholder: "the model's" });
  const painted = h("small", {}, "like 512x256");
  const negative = h("input", { id: "negative_prompt", maxlength: 2000 });
  const summary = h("span.soft", {});
  const options = h(
    "details.options", { oninput: () => describe() },
    h("summary", {}, "Options", summary),
    h(
      "div.fields", {},
      h("label.field", { for: "model" }, "Model", model, h("small", {}, "what paints it")),
      h("label.field", { for: "size" }, "Size", size, painted),
      number("fps", "Frames a second", "empty: the model's own", { min: 1, max: 60, step: 1 }),
      number("seed", "Seed", "another seed, another film", { min: 0, step: 1, value: draft.seed ?? 0 }),
      number("steps", "Steps a window", "more is slower and finer", { min: 1, max: 100, step: 1, placeholder: "8" }),
      number("guidance", "Guidance", "how closely words are followed", { min: 0, max: 30, step: 0.1, placeholder: "2.5" }),
      h("label.field.wide", { for: "negative_prompt" }, "Not to be seen", negative, h("small", {}, "words to keep out of it")),
    ),
  );
  const editor = shotEditor(draft.shots ?? [], {
    changed: (shots) => {
      hints.look(shots.map((shot) => shot.prompt).join(" "));
      remember(DRAFT, JSON.stringify({ shots }));
    },
  });
  const opening = firstFrame();
  const planFirst = h("input", { type: "checkbox", id: "approve", role: "switch", onchange: () => describe() });
  const make = h("button.main", { type: "submit" }, "Make the film");
  const problem = h("p.problem", { role: "alert", hidden: true });
  const form = h(
    "form.composer", { onsubmit: (event) => send(event), novalidate: true, "aria-labelledby": "heading" },
    h("h1", { id: "heading", tabindex: -1 }, "New film"),
    h("p.lead", {}, "Say what happens. Add shots for a storyboard; paste a story.yaml if you have one, or a picture that the film begins with."),
    editor.element,
    hints.element,
    opening.element,
    cast((name) => editor.insert(name)).element,
    options,
    problem,
    h(
      "div.row.go", {},
      h("label.switch", { for: "approve" }, planFirst, h("span", {}, "Show me the plan first")),
      h("span.grow"),
      make,
    ),
    h(
      "p.begin", {},
      h("span.soft", {}, "Begin with "),
      Object.entries(EXAMPLES).map(([name, shots]) =>
        h("button.chip", { type: "button", onclick: () => (editor.put(shots), editor.focus()) }, name)),
      h("button.chip", { type: "button", onclick: () => pasteStory() }, "A story.yaml …"),
      opening.button,
    ),
  );
  opening.listen(form);
  let known = [];

  function describe() {
    const value = (id) => form.querySelector(`#${id}`).value.trim();
    const at = known.find((one) => one.id === model.value);
    const parts = [model.value, value("size"), `${value("fps") || at?.fps || "–"} fps`, `seed ${value("seed") || 0}`];
    write(summary, parts.filter(Boolean).join(" · "));
    write(make, planFirst.checked ? "Plan the film" : "Make the film");
  }

  function chosen() {
    const at = known.find((one) => one.id === model.value);
    if (at) write(painted, `like 512x256; it paints at ${at.size}`);
    hints.know(at?.known_words ?? []);
    describe();
  }

  async function pasteStory() {
    const text = h("textarea.story", {
      rows: 10, "aria-label": "story.yaml", spellcheck: "false",
      placeholder: "- prompt: water evaporating from the ocean\n  seconds: 15\n- prompt: rain falling on the mountains\n  seconds: 15",
    });
    const got = await ask("Paste a storyboard", text, { confirm: "Use it", read: () => text.value });
    if (!got?.trim()) return;
    try {
      editor.put(parseStory(got));
      say("The storyboard is in place");
    } catch (error) {
      if (!(error instanceof StoryProblem)) throw error;
      complain({ message: `story.yaml, ${error.message}` });
    }
  }

  function order() {
    const shots = editor.shots();
    const wishes = shots.length === 1 && !looksLikeStory(shots[0].prompt)
      ? { prompt: shots[0].prompt, seconds: shots[0].seconds }
      : { shots };
    for (const id of ["fps", "seed", "steps", "guidance"]) {
      const value = form.querySelector(`#${id}`).value.trim();
      if (value) wishes[id] = Number(value);
    }
    if (size.value.trim()) wishes.size = size.value.replace(/[\sX×]+/g, (sign) => (sign.trim() ? "x" : ""));
    if (negative.value.trim()) wishes.negative_prompt = negative.value.trim();
    if (model.value) wishes.model = model.value;
    const reference = opening.reference();
    return { ...wishes, ...(reference ? { input_reference: reference } : {}), approve: planFirst.checked };
  }

  async function send(event) {
    event.preventDefault();
    if (make.disabled) return;
    complain(null);
    make.disabled = true;
    try {
      const video = await videos.create(order());
      remember(DRAFT, "");
      made(video);
    } catch (error) {
      complain(error);
    } finally {
      make.disabled = false;
    }
  }

  /** Puts the message where its cause is, as far as it tells. */
  function complain(error) {
    problem.hidden = true;
    opening.mark("");
    for (const field of form.querySelectorAll(".options [aria-invalid]")) field.removeAttribute("aria-invalid");
    if (!error) return;
    const { message, param } = error;
    if (/^input_reference/.test(param ?? "")) return opening.mark(message);
    const shot = /shots?[ .](\d+)/.exec(`${param ?? ""} ${message}`);
    const field = form.querySelector(`.options #${CSS.escape(fieldOf(param, message))}`);
    const onShot = !field && (shot || /prompt|seconds/.test(message));
    problem.hidden = Boolean(onShot);
    problem.textContent = onShot ? "" : message;
    if (field) {
      options.open = true;
      field.setAttribute("aria-invalid", "true");
      field.focus();
    } else if (onShot) {
      editor.mark(shot ? Number(shot[1]) + (/^shots[.]/.test(param ?? "") ? 1 : 0) : 1, message);
    } else problem.scrollIntoView({ block: "nearest" });
  }

  show(view, form);
  describe();
  models().then((list) => {
    known = list;
    show(model, list.map((one) => h("option", { value: one.id }, one.id)));
    chosen();
  }, complain);
  return { title: "New film", focus: () => editor.focus(), total: () => total(editor.shots()) };
}

function fieldOf(param, message) {
  const names = { size: "size", fps: "fps", seed: "seed", steps: "steps", guidance: "guidance", model: "model" };
  return names[param] ?? names[/^(?:the )?(\w+)/.exec(message)?.[1]] ?? (/negative/.test(message) ? "negative_prompt" : "none");
}

function readDraft() {
  try {
    return JSON.parse(recall(DRAFT) || "{}");
  } catch {
    return {};
  }
}
