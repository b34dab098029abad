// Dark and light: as the system has it, or as chosen here.

const KEY = "sgen.theme";

export function startTheme(select) {
  const apply = (choice) => {
    if (choice === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = choice;
    select.value = choice;
  };
  const remembered = recall(KEY);
  apply(["light", "dark"].includes(remembered) ? remembered : "auto");
  select.addEventListener("change", () => {
    remember(KEY, select.value);
    apply(select.value);
  });
  return () => {
    const dark = document.documentElement.dataset.theme
      ? document.documentElement.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    select.value = dark ? "light" : "dark";
    select.dispatchEvent(new Event("change"));
  };
}

/** What a browser keeps; nothing where it was told to keep nothing. */
export function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // It holds until the page is closed.
  }
}
