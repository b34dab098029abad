"""A live cutscene: the film plays while a program decides what comes next and appends it, faster than it plays."""

from __future__ import annotations

import itertools
import time

from common import arguments, client_of, fetch

SCENES = ("a dog running through the forest", "a dog running on the beach of the ocean", "a dog running in the snow",
          "a dog running through the city at night", "a dog standing in a meadow at sunset")  # fmt: skip


def main() -> None:
    parser = arguments(__doc__ or "", 20, "cutscene.mp4")
    parser.add_argument("--shot", type=float, default=4, help="seconds of each shot (%(default)s)")
    options = parser.parse_args()

    with client_of(options) as client:
        scenes = itertools.cycle(SCENES)
        video = client.videos.create_and_wait(next(scenes), seconds=options.shot)
        begun = time.monotonic()  # from here on it plays
        while float(video.seconds) < options.seconds:
            # Here a game would look at what its player does.
            video = client.videos.wait(client.videos.extend(video.id, options.shot, next(scenes)).id)
            ahead = float(video.seconds) - (time.monotonic() - begun)
            print(f"{video.seconds} s are there, {ahead:.1f} s ahead of what is being watched", flush=True)
            if ahead < 0:
                print("the player waits: more renderers, or shorter shots")
        fetch(client, video, options.output)


if __name__ == "__main__":
    main()
