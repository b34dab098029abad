// What a demo model has seen: words that it does not know are named while one writes, as the command does.

import { h, show, write } from "./dom.js";

/** {element, know(words), look(text)}; shows nothing for a model that takes any words. */
export function wordHints() {
  const list = h("span", {});
  const element = h(
    "details.hints", { hidden: true },
    h("summary", {}, "This demo model knows a small world"),
    h("p", {}, "It was trained on a procedural cartoon. It paints, among others: ", list, "."),
  );
  let words = [];
  return {
    element,
    know(known) {
      words = [...new Set(known)];
      element.hidden = !words.length;
      write(list, words.join(", "));
    },
    look(text) {
      const used = new Set(text.toLowerCase().match(/[a-z]+/g) ?? []);
      const found = words.filter((word) => used.has(word) || used.has(`${word}s`));
      const summary = element.querySelector("summary");
      if (!text.trim() || found.length) write(summary, "This demo model knows a small world");
      else show(summary, "Nothing here that this demo model has seen: it knows a small world");
      element.classList.toggle("warn", Boolean(text.trim()) && !found.length);
    },
  };
}
