"""Previsualisation: the plan as a filmstrip first, then one shot changed, and only what was approved is rendered."""

from __future__ import annotations

from pathlib import Path

from common import arguments, client_of, fetch, told

from sgen_ray.client import Shot
from sgen_ray.story import read_story

STORY = ("an astronaut walking on Mars", "a rocket standing on Mars", "a rocket taking off from Mars at sunset")


def main() -> None:
    parser = arguments(__doc__ or "", 12, "previsualisation.mp4")
    parser.add_argument("story", nargs="?", type=Path, help="a story.yaml; by default a landing on Mars")
    parser.add_argument("--change", type=int, default=2, help="the shot to change (%(default)s)")
    parser.add_argument("--into", default="a rocket standing on the moon at night", help="its new prompt")
    options = parser.parse_args()

    each = options.seconds / len(STORY)
    read = read_story(options.story) if options.story else ()
    shots = [Shot(prompt=shot.prompt, seconds=shot.seconds) for shot in read] or [
        Shot(prompt=prompt, seconds=each) for prompt in STORY
    ]
    with client_of(options) as client:
        draft = client.videos.create_and_wait(shots=shots, approve=True)
        print(client.videos.plan(draft.id, options.output.with_name("first.png")), "is the first plan")
        number = options.change - 1
        shots[number] = Shot(prompt=options.into, seconds=shots[number].seconds)
        client.videos.approve(draft.id, shots=shots)
        client.videos.wait(draft.id)
        print(client.videos.plan(draft.id, options.output.with_name("second.png")), "is the plan with the new shot")
        client.videos.approve(draft.id)
        fetch(client, client.videos.wait(draft.id, on_event=told), options.output)


if __name__ == "__main__":
    main()
