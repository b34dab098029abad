// Elements without HTML in strings: what people write is only ever text.

const SVG = "http://www.w3.org/2000/svg";

/** h("button.plain", {type: "button", onclick}, "Remove"): on* are listeners, false and null are left out. */
export function h(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  return fill(element, attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" && tagged(element)) element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...present(children));
  return element;
}

/** Children may be lists, also of lists, and absent: null, undefined or false. */
const present = (children) => children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);

const tagged = (element) => ["INPUT", "TEXTAREA", "SELECT"].includes(element.tagName);

/** Sets a custom property; a style attribute would be against the page's policy. */
export function set(element, properties) {
  for (const [name, value] of Object.entries(properties)) element.style.setProperty(name, value);
  return element;
}

/** Puts children in place of what is there. */
export function show(element, ...children) {
  element.replaceChildren(...present(children));
  return element;
}

/** Text that changes often: nothing happens where it is the same, so that a screen reader is left alone. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

let spoken = 0;

/** Tells a screen reader, politely; what is `calm` at most once in eight seconds. */
export function say(text, calm = false) {
  if (calm && Date.now() - spoken < 8000) return;
  spoken = Date.now();
  write(document.getElementById("said"), text);
}

/** A message that stays until it is put away or the view changes. */
export function notice(text) {
  const close = h("button.plain", { type: "button", "aria-label": "Put this message away" }, "×");
  const box = h("div.notice", {}, h("p", {}, text), close);
  close.addEventListener("click", () => box.remove());
  document.getElementById("notices").replaceChildren(box);
}

export function clearNotices() {
  document.getElementById("notices").replaceChildren();
}

/** A dialog that asks; gives null when it was left, else what `read` finds. */
export function ask(title, body, { confirm = "Go on", read = () => true, bad = false } = {}) {
  const heading = h("h2", { id: "asked" }, title);
  const dialog = h(
    "dialog", { "aria-labelledby": "asked" },
    h(
      "form", { method: "dialog" },
      heading, body,
      h(
        "div.row.end", {},
        h("button.quiet", { value: "no", formnovalidate: true }, "Leave it"),
        h(bad ? "button.bad" : "button.main", { value: "yes" }, confirm),
      ),
    ),
  );
  document.body.append(dialog);
  return new Promise((done) => {
    dialog.addEventListener("close", () => {
      const answer = dialog.returnValue === "yes" ? read(dialog) : null;
      dialog.remove();
      done(answer);
    });
    dialog.showModal();
  });
}
