// Keyboard shortcuts. Single letters can be switched off, as they get in the way of some who speak to their computer.

import { h } from "./dom.js";
import { recall, remember } from "./theme.js";

const OFF = "sgen.keys.off";

/** `deeds` maps a letter to {words, act}. */
export function startKeys(deeds) {
  let off = recall(OFF) === "yes";

  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      const form = event.target.closest?.("form");
      if (form && !form.closest("dialog")) {
        event.preventDefault();
        form.requestSubmit();
      }
      return;
    }
    if (off || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest?.("input, textarea, select, [contenteditable]")) return;
    const deed = deeds[event.key];
    if (!deed) return;
    event.preventDefault();
    deed.act();
  });

  return function help() {
    const choice = h("input", {
      type: "checkbox", id: "letters", checked: !off,
      onchange: () => {
        off = !choice.checked;
        remember(OFF, off ? "yes" : "no");
      },
    });
    const lines = [
      ...Object.entries(deeds).map(([key, { words }]) => [key, words]),
      ["Ctrl Enter", "send the form that is open"],
      ["Alt ↑ ↓", "move the shot that is written in"],
      ["Esc", "close a dialog"],
    ];
    const dialog = h(
      "dialog.help", { "aria-labelledby": "help-heading", onclose: () => dialog.remove() },
      h("h2", { id: "help-heading" }, "Shortcuts"),
      h("dl.keys", {}, lines.map(([key, words]) => [h("dt", {}, key.split(" ").map((part) => h("kbd", {}, part))), h("dd", {}, words)])),
      h("label.switch", { for: "letters" }, choice, h("span", {}, "Single letters are shortcuts")),
      h("form.row.end", { method: "dialog" }, h("button.main", { autofocus: true }, "Close")),
    );
    document.body.append(dialog);
    dialog.showModal();
  };
}
