// The picture that a film begins with: chosen, dropped on the form or pasted into it.

import { h, say, show, write } from "./dom.js";
import { KINDS, NoPicture, pictureIn, pictureOf, sent } from "./pictures.js";

/** {element, button, reference(), mark(message), listen(form)}: `button` chooses a file, `element` shows it. */
export function firstFrame() {
  const input = h("input", { id: "first_frame", type: "file", accept: KINDS, hidden: true, onchange: () => take(input.files[0]) });
  const button = h("button.chip", { type: "button", onclick: () => input.click() }, "A picture …");
  const frame = h("div.frame");
  const name = h("p", {});
  const fault = h("p.fault", { role: "alert", hidden: true });
  const drop = h("button.plain", { type: "button", onclick: () => remove() }, "Begin without it");
  const element = h("div.first", { hidden: true }, frame, h("div", {}, name, fault, drop), input);
  let picture = null;

  async function take(file) {
    if (!file) return;
    input.value = ""; // so that the same file may be chosen again
    mark("");
    try {
      picture = await pictureOf(file);
    } catch (error) {
      if (!(error instanceof NoPicture)) throw error;
      element.hidden = false;
      return mark(error.message);
    }
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", `The first frame: ${file.name || "a pasted picture"}`);
    show(frame, picture);
    write(name, `The film begins with ${file.name || "the pasted picture"}, as the model can paint it.`);
    element.hidden = drop.hidden = false;
    say("The film begins with this picture");
  }

  function remove() {
    picture = null;
    show(frame);
    write(name, "");
    mark("");
    element.hidden = true;
    button.focus();
    say("The film begins without a picture");
  }

  function mark(message) {
    write(fault, message);
    fault.hidden = !message;
    drop.hidden = !picture;
  }

  return {
    element,
    button,
    mark,
    reference: () => picture && sent(picture),
    listen(form) {
      form.addEventListener("paste", (event) => {
        const file = pictureIn(event.clipboardData);
        if (!file) return; // words go where they were meant to
        event.preventDefault();
        take(file);
      });
      form.addEventListener("dragover", (event) => event.dataTransfer.types.includes("Files") && event.preventDefault());
      form.addEventListener("drop", (event) => {
        if (!event.dataTransfer.types.includes("Files")) return;
        event.preventDefault();
        const file = pictureIn(event.dataTransfer) ?? event.dataTransfer.files[0];
        take(file);
      });
    },
  };
}
