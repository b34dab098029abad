// Where the service wants keys: a key becomes a cookie that scripts cannot read.

import { call, Problem } from "./api.js";
import { h, show } from "./dom.js";

/** Who this browser is to the service: {login: whether keys are wanted, tenant: null before signing in}. */
export async function session() {
  try {
    return await call("GET", "v1/session", null, { silent: true });
  } catch (problem) {
    if (problem.status === 404) return { login: false, tenant: "local" };
    if (problem.status === 401) return { login: true, tenant: null };
    throw problem;
  }
}

export function loginForm(view, entered) {
  const key = h("input", { id: "key", type: "password", autocomplete: "current-password", required: true, spellcheck: "false" });
  const problem = h("p.problem", { role: "alert", hidden: true });
  const form = h(
    "form.login", {
      "aria-labelledby": "heading",
      onsubmit: async (event) => {
        event.preventDefault();
        problem.hidden = true;
        try {
          await call("POST", "login", { key: key.value.trim() }, { silent: true });
          entered();
        } catch (error) {
          if (!(error instanceof Problem)) throw error;
          problem.textContent = error.message;
          problem.hidden = false;
          key.setAttribute("aria-invalid", "true");
          key.focus();
        }
      },
    },
    h("h1", { id: "heading", tabindex: -1 }, "Your key, please"),
    h("p.lead", {}, "This service makes films for those who have a key. Who runs it can make one for you: sgen keys create."),
    h("label.field", { for: "key" }, "Key", key),
    problem,
    h("button.main", { type: "submit" }, "Sign in"),
  );
  show(view, form);
  return { title: "Sign in", focus: () => key.focus() };
}

export const leave = () => call("POST", "logout", {});
