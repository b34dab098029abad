"""Makes docs/gallery: a film of every prompt in prompts.yaml, as animated WebP of the model's own size, and its page.

python docs/gallery/make.py [--model nano] [--seconds 8] [--only TEXT]
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path

import yaml

import sgen_ray
from sgen_ray.media.probe import probe, read_frames
from sgen_ray.media.sheets import save_webp
from sgen_ray.models.factory import load_factory
from sgen_ray.types import Shot

HERE = Path(__file__).parent
MOST = 4 << 20
"""Bytes of all pictures together."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--seconds", type=float, default=8.0, help="of a film of one shot, and of each of several")
    parser.add_argument("--quality", type=int, default=45, help="of the WebP")
    parser.add_argument("--only", default="", help="make only films whose prompt holds this text")
    arguments = parser.parse_args()
    factory = load_factory(arguments.model)
    grid, number, weights = factory.grid, 0, factory.fingerprint()[:12]
    noted = yaml.safe_load((HERE / "seen.yaml").read_text())
    wrong = noted["wrong"] if noted["weights"] == weights else {}
    lines = [f"# Gallery of `{factory.name}`", "", *INTRODUCTION]
    for group in yaml.safe_load((HERE / "prompts.yaml").read_text()):
        lines += ["", f"## {group['kind'].capitalize()}", ""]
        for film in group["films"]:
            number += 1
            prompts = [film] if isinstance(film, str) else film
            picture = HERE / f"{number:02d}-{re.sub(r'[^a-z]+', '-', prompts[0].lower()).strip('-')[:32]}.webp"
            if arguments.only.lower() in " ".join(prompts).lower():
                seconds = arguments.seconds if len(prompts) == 1 else arguments.seconds / 2
                make(picture, [Shot(prompt, seconds) for prompt in prompts], number, arguments)
                print(f"{picture.name}: {picture.stat().st_size >> 10} KiB", flush=True)
            said = " <br> ".join(prompts)
            lines += [f"| ![{prompts[0]}]({picture.name}) |", "|---|", f"| {said} · seed {number} |"]
            lines += [f"| {wrong[number]} |", ""] if number in wrong else [""]
    lines.insert(2, f"Weights `{weights}`, {grid.width}x{grid.height} at {grid.fps} frames a second.")
    (HERE / "README.md").write_text("\n".join(lines) + "\n")
    total = sum(path.stat().st_size for path in HERE.glob("*.webp"))
    print(f"{number} films, {total / 2**20:.2f} MiB")
    if total > MOST:
        raise SystemExit(f"the pictures take {total >> 20} MiB, more than {MOST >> 20}: lower --quality or --seconds")


def make(picture: Path, shots: list[Shot], seed: int, arguments: argparse.Namespace) -> None:
    grid = load_factory(arguments.model).grid
    with tempfile.TemporaryDirectory() as folder:
        video = sgen_ray.generate(
            shots=shots, seed=seed, model=arguments.model, size=(grid.width, grid.height),
            output=Path(folder) / "film.mp4", store=Path(folder) / "store",
            engine=sgen_ray.EngineConfig(in_process=True),
        )  # fmt: skip
        save_webp(read_frames(video.path), float(probe(video.path).fps), picture, arguments.quality)


INTRODUCTION = (
    "",
    "Every prompt once, with the seed and what is wrong below it: nothing was picked.",
    "`python docs/gallery/make.py` makes all of it again.",
)


if __name__ == "__main__":
    main()
