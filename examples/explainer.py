"""An explanation from one prompt: split into shots by rules or by a language model, then made, with its report."""

from __future__ import annotations

import os

from common import arguments, client_of, fetch, told

from sgen_ray.client import Shot
from sgen_ray.storyboard import asked_storyboard, storyboard


def main() -> None:
    parser = arguments(__doc__ or "", 16, "explainer.mp4")
    parser.add_argument("prompt", nargs="?", default="a one-minute video explaining the water cycle")
    parser.add_argument("--llm", metavar="URL", help="of a language model, OpenAI's way; its key is in OPENAI_API_KEY")
    parser.add_argument("--llm-model", default="default")
    options = parser.parse_args()

    if options.llm:
        key = os.environ.get("OPENAI_API_KEY")
        told_shots = asked_storyboard(options.prompt, options.seconds, options.llm, options.llm_model, key=key)
    else:
        told_shots = storyboard(options.prompt, options.seconds)
    for number, shot in enumerate(told_shots, 1):
        print(f"shot {number}, {shot.seconds:g} s: {shot.prompt}")
    shots = [Shot(prompt=shot.prompt, seconds=shot.seconds) for shot in told_shots]
    with client_of(options) as client:
        video = client.videos.create_and_wait(shots=shots, on_event=told)
        fetch(client, video, options.output)
        report = client.videos.report(video.id)["figures"]
        print(f"seam ratio {report['seam_ratio']}, drift {report['drift']}")


if __name__ == "__main__":
    main()
