// The film along its own time: shots, windows and what can be played, under one playhead. Click or arrow keys seek.

import { h, set, show, svg, write } from "./dom.js";
import { clock, count } from "./format.js";
import { progress, windowStates } from "./feed.js";

/** {element, shots(list), update(feed), pictures(view)}; `video` is what it seeks in. */
export function filmStrip(video, { picked = () => {} } = {}) {
  const shotRow = h("div.track.cuts");
  const windowRow = h("div.track.windows", { role: "img" });
  const legend = h("p.legend");
  const ready = h("div.ready");
  const seek = h("input.seek", {
    type: "range", min: 0, max: 1, step: 0.1, value: 0, "aria-label": "Place in the film",
    oninput: () => seekTo(Number(seek.value)),
  });
  const pictures = h("div.pictures", { hidden: true });
  const element = h(
    "div.strip", {},
    pictures,
    h("div.label", { "aria-hidden": "true" }, "Shots"), shotRow,
    h("div.label", { "aria-hidden": "true" }, "Windows"), windowRow,
    h("div.label", { "aria-hidden": "true" }, "Playable"), h("div.track.play", {}, ready, seek),
    legend,
  );
  let seconds = 1;

  function seekTo(time) {
    if (video.seekable.length && time <= video.seekable.end(video.seekable.length - 1)) video.currentTime = time;
  }

  function place() {
    seek.value = video.currentTime;
    seek.setAttribute("aria-valuetext", `${clock(video.currentTime)} of ${clock(seconds)}`);
  }

  function buffered() {
    const end = video.buffered.length ? video.buffered.end(video.buffered.length - 1) : 0;
    const whole = Number.isFinite(video.duration) && video.duration > 0 && !video.src.startsWith("blob:");
    set(element, { "--ready": Math.min(1, (whole ? video.duration : end) / seconds) });
  }

  for (const event of ["timeupdate", "seeked"]) video.addEventListener(event, place);
  for (const event of ["progress", "loadedmetadata", "durationchange", "timeupdate"]) video.addEventListener(event, buffered);

  return {
    element,
    shots(list) {
      seconds = list.reduce((sum, shot) => sum + shot.seconds, 0) || 1;
      seek.max = seconds;
      let begin = 0;
      show(
        shotRow,
        list.map((shot, index) => {
          const from = begin;
          begin += shot.seconds;
          const label = `Shot ${index + 1}, ${clock(from)} to ${clock(begin)}: ${shot.prompt}`;
          const button = h(
            "button.cut", { type: "button", "aria-label": label, title: shot.prompt, onclick: () => (seekTo(from), picked(index + 1)) },
            h("b", {}, `${index + 1}`), h("span", {}, shot.prompt),
          );
          return set(button, { "--part": shot.seconds });
        }),
      );
    },
    update(feed) {
      const states = windowStates(feed);
      const { done, total, reused } = progress(feed);
      windowRow.setAttribute(
        "aria-label",
        total ? `${done} of ${total} windows are there${reused ? `, ${reused} of them from an earlier film` : ""}` : "Not cut into windows yet",
      );
      write(legend, reused ? `${count(reused, "window")} kept from an earlier film (hatched), ${total - reused} painted for this one` : "");
      show(
        windowRow,
        states.map((state, index) => {
          const one = feed.windows[index];
          const share = state === "painting" ? one.done / one.total || 0 : 1;
          return set(h(`i.${state}`, { title: `window ${index + 1}: ${state}` }, h("b", {}, `${index + 1}`)), { "--share": share });
        }),
      );
    },
    pictures(view) {
      show(pictures, view);
      pictures.hidden = false;
    },
  };
}

/** Small pictures over the strip: cells of a spritesheet, side by side, as many as fit. */
export function sprites(picture, { columns, rows, count, width, height }, most) {
  const cells = Math.min(count, most);
  const view = svg("svg", { class: "sprites", viewBox: `0 0 ${cells * width} ${height}`, role: "img", "aria-label": "The film in small pictures, in order" });
  for (let place = 0; place < cells; place++) {
    const cell = Math.floor(((place + 0.5) * count) / cells);
    const box = svg("svg", { x: place * width, y: 0, width, height, viewBox: `${(cell % columns) * width} ${Math.floor(cell / columns) * height} ${width} ${height}` });
    box.append(svg("image", { href: picture, x: 0, y: 0, width: columns * width, height: rows * height }));
    view.append(box);
  }
  return view;
}
