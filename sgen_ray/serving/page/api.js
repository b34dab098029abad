// The service's routes. Addresses are relative to the page, so that it works under any prefix.

/** What went wrong, in the service's own words; `param` names the field where it knows. */
export class Problem extends Error {
  constructor(message, { status = 0, code = null, param = null } = {}) {
    super(message);
    Object.assign(this, { status, code, param });
  }
}

const listeners = new Set();

/** Called when the service wants a key. */
export const onLocked = (listener) => listeners.add(listener);

export async function call(method, path, body = null, { headers = {}, silent = false } = {}) {
  let answer;
  try {
    answer = await fetch(path, {
      method,
      credentials: "same-origin",
      headers: {
        Accept: "application/json",
        ...(body ? { "Content-Type": "application/json" } : {}),
        ...headers,
      },
      body: body ? JSON.stringify(body) : null,
    });
  } catch {
    throw new Problem("the service does not answer; look whether it runs, and try again", { code: "unreachable" });
  }
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  const problem = await problemOf(answer);
  if (answer.status === 401 && !silent) for (const listener of listeners) listener(problem);
  throw problem;
}

async function problemOf(answer) {
  let error = {};
  try {
    error = (await answer.json()).error ?? {};
  } catch {
    // A proxy in between answers in its own way.
  }
  const after = Number(answer.headers.get("Retry-After"));
  const wait = answer.status === 429 && after ? `; try again in ${after} s` : "";
  const text = error.message ?? `the service answered ${answer.status} ${answer.statusText}`.trim();
  return new Problem(text + (/try again/.test(text) ? "" : wait), { status: answer.status, ...error });
}

/** Two clicks, or a request sent again, make one film. */
const once = () => ({ headers: { "Idempotency-Key": crypto.randomUUID?.() ?? String(Math.random()).slice(2) } });

const of = (id) => `v1/videos/${encodeURIComponent(id)}`;

export const videos = {
  create: (order) => call("POST", "v1/videos", order, once()),
  list: (after = null, limit = 20) =>
    call("GET", `v1/videos?limit=${limit}${after ? `&after=${encodeURIComponent(after)}` : ""}`),
  get: (id) => call("GET", of(id)),
  report: (id) => call("GET", `${of(id)}/report`),
  approve: (id, shots = null) => call("POST", `${of(id)}/approve`, shots ? { shots } : {}),
  edit: (id, shot, prompt) => call("POST", "v1/videos/edits", { video: { id }, shot, prompt }, once()),
  extend: (id, seconds, prompt) =>
    call("POST", "v1/videos/extensions", { video: { id }, seconds, ...(prompt ? { prompt } : {}) }, once()),
  remix: (id, prompt, shot = 1) => call("POST", `${of(id)}/remix`, { prompt, shot }, once()),
  retry: (id) => call("POST", `${of(id)}/retry`, {}, once()),
  cancel: (id) => call("POST", `${of(id)}/cancel`, {}),
  remove: (id) => call("DELETE", of(id)),
};

export const characters = {
  list: async () => (await call("GET", "v1/videos/characters")).data,
  keep: (name, video) => call("POST", "v1/videos/characters", { name, video }),
  forget: (id) => call("DELETE", `v1/videos/characters/${encodeURIComponent(id)}`),
};

export const models = async () => (await call("GET", "v1/models")).data;

export const address = {
  events: (id, after = 0) => `${of(id)}/events${after ? `?after=${after}` : ""}`,
  plan: (id, version = "") => `${of(id)}/plan${version ? `?v=${version}` : ""}`,
  film: (id) => `${of(id)}/content`,
  picture: (id, variant) => `${of(id)}/content?variant=${variant}`,
  live: (id, name) => `${of(id)}/hls/${name}`,
};
