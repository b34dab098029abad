// story.yaml, as the command reads it: a list of shots with the keys prompt and seconds, also under a key `shots`.
// This is the plain part of YAML that such a file needs; whatever else is there is refused with its line.

export class StoryProblem extends Error {}

const wrong = (line, text) => {
  throw new StoryProblem(`line ${line}: ${text}`);
};

/** Whether pasted text is meant as a story. */
export const looksLikeStory = (text) => /^\s*(shots:\s*\n\s*)?-\s+(prompt|seconds):/.test(text);

/** [{prompt, seconds}] of the text; StoryProblem names the line to change. */
export function parseStory(text) {
  const shots = [];
  let open = null; // the prompt that goes on in lines which are indented more
  text.split(/\r?\n/).forEach((raw, index) => {
    const line = index + 1;
    const bare = raw.trim();
    if (open) {
      if (bare && indent(raw) > open.indent) {
        open.shot.prompt = `${open.shot.prompt} ${bare}`.trim();
        return;
      }
      if (!bare) return;
      open = null;
    }
    if (!bare || bare.startsWith("#") || bare === "---" || bare === "shots:") return;
    let rest = bare;
    if (rest.startsWith("-")) {
      shots.push({ line, prompt: null, seconds: null });
      rest = rest.slice(1).trim();
      if (!rest) return;
    }
    const shot = shots.at(-1) ?? wrong(line, "a story is a list of shots: start each with a dash");
    const found = /^(\w+):(?:\s+(.*))?$/.exec(rest) ?? wrong(line, "write it as prompt: … or seconds: …");
    const [, key, value = ""] = found;
    if (key !== "prompt" && key !== "seconds") wrong(line, `unknown key ${key}; use prompt and seconds`);
    if (shot[key] !== null) wrong(line, `${key} is given twice; start every shot with a dash`);
    if (key === "prompt") {
      const folded = /^[>|][+-]?$/.test(value);
      shot.prompt = folded ? "" : scalar(value, line);
      if (folded || !/^["']/.test(value)) open = { shot, indent: raw.indexOf("prompt:") };
    } else {
      shot.seconds = Number(scalar(value, line));
      if (!(shot.seconds > 0 && Number.isFinite(shot.seconds))) wrong(line, "seconds must be a number above 0, like 15");
    }
  });
  if (!shots.length) wrong(1, "the story is empty; write a list of shots");
  for (const shot of shots) {
    if (!shot.prompt) wrong(shot.line, "prompt is missing");
    if (shot.seconds === null) wrong(shot.line, "seconds is missing");
  }
  return shots.map(({ prompt, seconds }) => ({ prompt, seconds }));
}

/** The same text again, for the clipboard. */
export const writeStory = (shots) =>
  shots.map((shot) => `- prompt: ${JSON.stringify(shot.prompt)}\n  seconds: ${shot.seconds}\n`).join("");

const indent = (raw) => raw.length - raw.trimStart().length;

function scalar(value, line) {
  const bare = value.trim();
  if (bare.startsWith('"')) {
    const end = /^"((?:[^"\\]|\\.)*)"\s*(#.*)?$/.exec(bare) ?? wrong(line, "the text in quotes has no end");
    try {
      return JSON.parse(`"${end[1]}"`);
    } catch {
      return wrong(line, "a backslash in quotes that YAML does not know");
    }
  }
  if (bare.startsWith("'")) {
    const end = /^'((?:[^']|'')*)'\s*(#.*)?$/.exec(bare) ?? wrong(line, "the text in quotes has no end");
    return end[1].replaceAll("''", "'");
  }
  const plain = bare.replace(/\s+#.*$/, "");
  if (/:\s/.test(plain)) wrong(line, "put a text that holds a colon in quotes");
  return plain;
}
