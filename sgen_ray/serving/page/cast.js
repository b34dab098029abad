// Characters: whom the service keeps for this caller, to be named in any shot as @name.

import { characters, Problem } from "./api.js";
import { ask, h, notice, say, show } from "./dom.js";
import { KINDS, NoPicture, pictureOf, sent } from "./pictures.js";

/** {element}; `insert(text)` puts a name where the person writes. */
export function cast(insert) {
  const list = h("span.cast-list");
  const keep = h("button.chip", { type: "button", onclick: () => keepOne() }, "Keep one …");
  const element = h("div.cast", { role: "group", "aria-label": "Characters" }, h("span.soft", {}, "Characters "), list, keep);

  function chip({ id, name, description }) {
    return h(
      "span.member", {},
      h("button.chip", { type: "button", title: description, "aria-label": `Write @${name} into the shot: ${description}`, onclick: () => insert(`@${name}`) }, `@${name}`),
      h("button.plain", { type: "button", title: "Forget it", "aria-label": `Forget @${name}`, onclick: () => forget(id, name) }, "×"),
    );
  }

  async function refresh() {
    try {
      show(list, (await characters.list()).map(chip));
    } catch (problem) {
      if (problem.status !== 401) notice(problem.message);
    }
  }

  async function forget(id, name) {
    try {
      await characters.forget(id);
      say(`@${name} is forgotten`);
      keep.focus();
    } catch (problem) {
      notice(problem.message);
    }
    await refresh();
  }

  async function keepOne() {
    const file = h("input", { type: "file", accept: KINDS, required: true });
    const lead = h("p.soft", {}, "Who is in the picture is recognised, and kept under a name.");
    const kept = await keepAs([lead, h("label.field", {}, "Picture", file)], async () => sent(await pictureOf(file.files[0])));
    if (kept) await refresh();
  }

  refresh();
  return { element };
}

/** Asks for a name, keeps what `shown()` gives under it, and says what was recognised; null where that was left. */
export async function keepAs(fields, shown) {
  const name = h("input", { required: true, maxlength: 40, pattern: "[A-Za-z][A-Za-z0-9_\\-]*", autocomplete: "off" });
  const got = await ask("Keep a character", [h("label.field", {}, "Name", name, h("small", {}, "letters, digits, - and _")), ...fields], {
    confirm: "Keep it",
    read: () => name.value.trim().replace(/^@/, ""),
  });
  if (!got) return null;
  try {
    const kept = await characters.keep(got, await shown());
    notice(`@${kept.name} is kept: ${kept.description}. Write @${kept.name} in any shot.`);
    return kept;
  } catch (problem) {
    if (!(problem instanceof NoPicture || problem instanceof Problem)) throw problem;
    notice(problem.message);
    return null;
  }
}
