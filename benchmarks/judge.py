"""The judge: train it (`--train`), and measure it on held-out films of the world, plain and through the autoencoder."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from common import each, judge, model, options, percent, reconstruct, save, show

from sgen_ray.evaluation.adherence import world_frames
from sgen_ray.evaluation.judge import CLIP_FRAMES, FPS, HEIGHT, OFFSETS, WEIGHTS, WIDTH, as_input, save_judge
from sgen_ray.evaluation.judge_training import JudgeSchedule, train_judge
from sgen_ray.evaluation.shares import Share, share
from sgen_ray.world import ATTRIBUTES, Film, attribute_indices, draw, sample_film

GOAL = 0.99
BLOCK = 20
THROUGH = 5
"""One clip in so many goes through the autoencoder, which takes seconds."""


def main() -> None:
    parser = options(__doc__ or "", films=1000, small=40)
    parser.add_argument("--seconds", type=float, default=8.0, help="length of the films that clips are cut from")
    parser.add_argument("--train", type=float, metavar="MINUTES", help="train first, from where the last slice stopped")
    parser.add_argument("--steps", type=int, default=JudgeSchedule.steps, help="where training ends")
    parser.add_argument("--state", type=Path, default=Path("runs/judge"), help="training state between slices")
    parser.add_argument("--no-reconstructions", action="store_true", help="where there is no autoencoder yet")
    arguments = parser.parse_args()
    if arguments.seconds * FPS < CLIP_FRAMES:
        parser.error(
            f"--seconds {arguments.seconds:g}: the judge looks at {CLIP_FRAMES / FPS:.1f} s, make it 5 or more"
        )
    if arguments.train is not None:
        train(arguments)
    films = arguments.films
    through = 0 if arguments.no_reconstructions else max(1, films // THROUGH)
    blocks = [
        Block(arguments.model, 5_000_000 + arguments.seed * 1_000_000 + start, min(BLOCK, films - start),
              arguments.seconds, start < through)
        for start in range(0, films, BLOCK)
    ]  # fmt: skip
    counts = list(each(count, blocks, arguments.workers, f"blocks of {BLOCK} films"))
    found = {kind: {name: sum((c[kind][name] for c in counts if kind in c), Share(0, 0)) for name in ATTRIBUTES}
             for kind in counts[0]}  # fmt: skip
    rows = [[name, *(percent(shares[name].value) for shares in found.values())] for name in ATTRIBUTES]
    rows.append(["all", *(percent(sum(shares.values(), Share(0, 0)).value) for shares in found.values())])
    show(f"The judge on {films} held-out clips", ["attribute", *found], rows)
    save("judge", arguments, {**found, "goal": GOAL}, painted=not arguments.no_reconstructions)


def train(arguments: argparse.Namespace) -> None:
    began = time.monotonic()

    def on_step(step: int, total: int, figures: dict[str, float]) -> None:
        if step % 25 == 0:
            spent = time.monotonic() - began
            print(f"judge {step}/{total}, loss {figures['loss']:.3f}, {spent:.0f} s", file=sys.stderr, flush=True)

    torch.set_num_threads(1)
    schedule = JudgeSchedule(steps=arguments.steps)
    trained, facts = train_judge(arguments.state, arguments.train, schedule, arguments.seed, on_step)
    save_judge(trained, WEIGHTS, facts)


@dataclass(frozen=True)
class Block:
    """Held-out films by seed, one clip of each."""

    model: str
    seed: int
    films: int
    seconds: float
    reconstruct: bool


def count(block: Block) -> dict[str, dict[str, Share]]:
    """Kind of frames -> attribute -> clips that the judge reads right."""
    generator = torch.Generator().manual_seed(block.seed)
    films = [sample_film(block.seed + i, block.seconds, 1, "heldout") for i in range(block.films)]
    # Clips begin where a latent frame does.
    room = int((block.seconds * FPS - CLIP_FRAMES) // 4)
    begin = 4 * torch.randint(room + 1, (block.films, 1), generator=generator) / FPS
    truth = attribute_indices(films, begin)
    drawn = draw(films, begin + torch.tensor(OFFSETS) / FPS, WIDTH, HEIGHT)
    kinds = {"world": (drawn * 255).round().to(torch.uint8)}
    if block.reconstruct:
        kinds["reconstructed"] = torch.stack(
            [reconstructed(block.model, film, float(at)) for film, at in zip(films, begin, strict=True)]
        )
    out = {}
    for kind, pictures in kinds.items():
        with torch.no_grad():
            logits = judge()(as_input(pictures))
        right = {name: logits[name].argmax(1) == truth[name][:, 0] for name in ATTRIBUTES}
        out[kind] = {name: share(hits.tolist()) for name, hits in right.items()}
    return out


def reconstructed(name: str, film: Film, begin: float) -> torch.Tensor:
    """The clip [clip, 3, H, W] that begins there, at the model's size, through its autoencoder and back, in bytes."""
    ours = model(name)
    grid = ours.factory.grid
    frames = grid.latent_frames(grid.frames(CLIP_FRAMES / FPS)) * grid.temporal_compression  # to the end of a latent
    pictures = reconstruct(ours, world_frames(film, grid, frames, begin))
    clip = pictures[[offset * grid.fps // FPS for offset in OFFSETS]]
    return torch.from_numpy(clip).permute(0, 3, 1, 2)


if __name__ == "__main__":
    main()
