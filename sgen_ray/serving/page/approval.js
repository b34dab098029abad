// The plan before it is painted: a filmstrip to look at, shots to change, and the word to go on.

import { address, videos } from "./api.js";
import { h, say, show } from "./dom.js";
import { clock } from "./format.js";
import { shotEditor } from "./shots.js";

/** The plan's picture, with its shots told in words. */
export function planPicture(video, version) {
  let begin = 0;
  const words = video.shots.map((shot, index) => {
    const from = begin;
    begin += shot.seconds;
    return `shot ${index + 1} from ${clock(from)} to ${clock(begin)}, ${shot.prompt}`;
  });
  const picture = h("img.plan", { src: address.plan(video.id, version), alt: `The plan as a filmstrip: ${words.join("; ")}` });
  return h("div.print", { tabindex: 0, role: "group", "aria-label": "The plan" }, picture); // on a small screen it scrolls
}

/** {element, update(video, version)}; `went()` after the service was told. */
export function approval(went) {
  const element = h("section.approval", { "aria-labelledby": "approve-heading", hidden: true });
  let shown = "";

  function build(video, version) {
    const problem = h("p.problem", { role: "alert", hidden: true });
    const go = h("button.main", { type: "button", onclick: () => tell(null) }, "Approve and paint it");
    const again = h("button.quiet", { type: "button", disabled: true, onclick: () => tell(editor.shots()) }, "Plan it again with these shots");
    const before = JSON.stringify(video.shots.map(({ prompt, seconds }) => ({ prompt, seconds })));
    const editor = shotEditor(video.shots, {
      changed: (shots) => {
        again.disabled = JSON.stringify(shots) === before;
        go.disabled = !again.disabled;
        go.title = go.disabled ? "The shots were changed: plan them first" : "";
      },
    });

    async function tell(shots) {
      problem.hidden = true;
      go.disabled = again.disabled = true;
      try {
        await videos.approve(video.id, shots);
        say(shots ? "It is planned again" : "Approved: it is being painted");
        shown = "";
        element.hidden = true;
        went();
      } catch (error) {
        const shot = /shots?[ .](\d+)/.exec(error.message);
        if (shot) editor.mark(Number(shot[1]), error.message);
        else {
          problem.textContent = error.message;
          problem.hidden = false;
        }
        again.disabled = false;
        go.disabled = shots !== null;
      }
    }

    show(
      element,
      h("h2", { id: "approve-heading", tabindex: -1 }, "Here is the plan"),
      h("p.soft", {}, "Rough pictures of what will be where, a few each shot. Nothing was painted yet. Change a shot and plan again as often as you like."),
      planPicture(video, version),
      editor.element,
      problem,
      h("div.row.go", {}, again, h("span.grow"), go),
    );
    say("The plan is ready. Approve it or change a shot.");
  }

  return {
    element,
    update(video, version) {
      element.hidden = video.state !== "awaiting_approval";
      const key = JSON.stringify([video.id, version, video.shots]);
      if (element.hidden || key === shown) return;
      shown = key;
      build(video, version);
    },
  };
}
