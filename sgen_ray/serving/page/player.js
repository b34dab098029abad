// The film in a <video>: whole when it is ready, and before that as it comes, by Media Source Extensions.

import { address } from "./api.js";

const PAUSE = 700; // milliseconds between two looks at a playlist that grows

/** Plays the finished film. */
export function playWhole(video, id) {
  video.poster = address.picture(id, "thumbnail");
  video.src = address.film(id);
}

/** Plays a film that is being made; `ready(first)` once there is something to see. Gives a function that stops. */
export function playLive(video, id, ready = () => {}) {
  if (!("MediaSource" in window) && video.canPlayType("application/vnd.apple.mpegurl")) {
    video.src = address.live(id, "film.m3u8");
    video.addEventListener("loadeddata", ready, { once: true });
    return () => {};
  }
  const stop = new AbortController();
  const source = new MediaSource();
  const link = URL.createObjectURL(source);
  video.src = link;
  source.addEventListener(
    "sourceopen",
    () => {
      URL.revokeObjectURL(link);
      feed(source, id, stop.signal, ready).catch((error) => {
        if (!stop.signal.aborted) console.warn("live playback ended:", error);
      });
    },
    { once: true },
  );
  return () => stop.abort();
}

async function feed(source, id, signal, ready) {
  let buffer = null;
  const have = new Set();
  while (!signal.aborted) {
    const list = await text(id, "film.m3u8", signal);
    if (list === null) {
      await pause(signal);
      continue;
    }
    const { init, parts, ended } = readPlaylist(list);
    if (!buffer && init && parts.length) {
      const head = await bytes(id, init, signal);
      if (!head) {
        await pause(signal);
        continue;
      }
      buffer = source.addSourceBuffer(`video/mp4; codecs="${codecOf(head)}"`);
      await append(buffer, head);
    }
    for (const part of parts) {
      if (!buffer || have.has(part.name)) continue;
      const data = await bytes(id, part.name, signal);
      if (!data) break; // it is asked for again at the next look
      await append(buffer, data);
      have.add(part.name);
      if (have.size === 1) ready();
    }
    if (ended && buffer && have.size === parts.length) {
      if (source.readyState === "open") source.endOfStream();
      return;
    }
    await pause(signal);
  }
}

/** Of an HLS media playlist: {init, parts: [{name, seconds}], ended}. */
export function readPlaylist(text) {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const init = /URI="([^"]+)"/.exec(lines.find((line) => line.startsWith("#EXT-X-MAP:")) ?? "")?.[1] ?? null;
  const parts = [];
  let seconds = 0;
  for (const line of lines) {
    if (line.startsWith("#EXTINF:")) seconds = parseFloat(line.slice(8));
    else if (line && !line.startsWith("#")) parts.push({ name: line, seconds });
  }
  return { init, parts, ended: lines.includes("#EXT-X-ENDLIST") };
}

/** "avc1.64000d" of an init segment: profile, constraints and level are the bytes after the version in its avcC box. */
export function codecOf(head) {
  for (let at = 4; at + 8 < head.length; at++) {
    if (head[at] === 0x61 && head[at + 1] === 0x76 && head[at + 2] === 0x63 && head[at + 3] === 0x43) {
      const three = [...head.slice(at + 5, at + 8)];
      return `avc1.${three.map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
    }
  }
  throw new Error("the film is not H.264");
}

function append(buffer, data) {
  return new Promise((done, failed) => {
    buffer.addEventListener("updateend", done, { once: true });
    buffer.addEventListener("error", failed, { once: true });
    buffer.appendBuffer(data);
  });
}

const text = (id, name, signal) => load(id, name, signal, "no-store", (answer) => answer.text());
const bytes = (id, name, signal) =>
  load(id, name, signal, "default", async (answer) => new Uint8Array(await answer.arrayBuffer()));

/** Null where it is not there yet, or the service does not answer just now. */
async function load(id, name, signal, cache, read) {
  try {
    const answer = await fetch(address.live(id, name), { signal, cache, credentials: "same-origin" });
    return answer.ok ? await read(answer) : null;
  } catch (error) {
    if (signal.aborted) throw error;
    return null;
  }
}

const pause = (signal) =>
  new Promise((done) => {
    const timer = setTimeout(done, PAUSE);
    signal.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
  });
