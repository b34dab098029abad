"""The judge: reads from a clip what it shows. It is trained on frames of the demo world alone, apart from every model
that it judges, and is the only one asked whether a film shows what its prompt says.

A clip is five frames over four and a half seconds: near ones for fast motion, far ones for slow camera moves. Beside
the frames the network sees how they move, place by place and as a whole.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from sgen_ray.errors import ModelError
from sgen_ray.models.motion import BANDS, apparent_motion, camera_motion
from sgen_ray.world import ATTRIBUTES

WIDTH, HEIGHT, FPS = 128, 64, 8
OFFSETS = (0, 1, 3, 12, 36)
"""Frames of a clip, counted at `FPS` from its start."""
CLIP_FRAMES = OFFSETS[-1] + 1
STRIDE = 12
"""Frames from the start of a clip to that of the next: clips overlap."""
SCALES = (2, 4, 8)
"""At which the motion of whole frames is looked for."""
WEIGHTS = Path(__file__).parent.parent / "weights" / "judge"


@dataclass(frozen=True)
class JudgeConfig:
    """Channels at a quarter, an eighth and a sixteenth of the frame, and of what is made of the frames' motion."""

    channels: tuple[int, int, int] = (32, 64, 128)
    camera: int = 64


class Block(nn.Module):
    """Two convolutions and a shortcut (He et al. 2016); halves the frame where `stride` is 2."""

    def __init__(self, before: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(before, channels, 3, stride, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels),
        )  # fmt: skip
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or before != channels:
            self.shortcut = nn.Sequential(nn.AvgPool2d(stride), nn.Conv2d(before, channels, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.body(x) + self.shortcut(x))


class Judge(nn.Module):
    """Clips [N, 5, 3, H, W] in -1..1 to logits of every attribute, name -> [N, classes]."""

    def __init__(self, config: JudgeConfig | None = None) -> None:
        super().__init__()
        self.config = config or JudgeConfig()
        quarter, eighth, sixteenth = self.config.channels
        self.stem = nn.Sequential(nn.Conv2d(3 * len(OFFSETS), quarter, 6, 4, 1, bias=False), nn.BatchNorm2d(quarter))
        self.motion = nn.Conv2d(4 * (len(OFFSETS) - 1), quarter, 3, 1, 1, bias=False)
        self.blocks = nn.Sequential(
            Block(quarter, quarter), Block(quarter, eighth, 2), Block(eighth, eighth), Block(eighth, sixteenth, 2)
        )
        moves, camera = 2 * BANDS * len(OFFSETS) * len(SCALES), self.config.camera
        self.camera = nn.Sequential(nn.BatchNorm1d(moves), nn.Linear(moves, camera), nn.ReLU())
        self.head = nn.Linear(2 * sixteenth + camera, sum(len(classes) for classes in ATTRIBUTES.values()))

    def forward(self, clips: Tensor) -> dict[str, Tensor]:
        x = self.blocks(functional.relu(self.stem(clips.flatten(1, 2)) + self.motion(apparent_motion(clips))))
        moves = self.camera(camera_motion(clips, SCALES))
        logits = self.head(torch.cat((x.mean((2, 3)), x.amax((2, 3)), moves), 1))
        parts = logits.split([len(classes) for classes in ATTRIBUTES.values()], 1)
        return dict(zip(ATTRIBUTES, parts, strict=True))

    @torch.no_grad()
    def predict(self, frames: NDArray[np.uint8]) -> dict[str, Tensor]:
        """Probabilities, attribute -> [clips, classes], of the clips of a film: one every `STRIDE` frames and one more
        at its end. A film shorter than a clip is one clip, in which its last frame is repeated.

        Args:
            frames: uint8 [T, H, W, 3] at 8 a second; other sizes than 128x64 are resized.
        """
        last = max(0, len(frames) - CLIP_FRAMES)
        starts = sorted({*range(0, last + 1, STRIDE), last})
        index = np.minimum(np.array(starts)[:, None] + np.array(OFFSETS), len(frames) - 1)
        clips = torch.from_numpy(frames[index]).permute(0, 1, 4, 2, 3)
        logits = self.eval()(as_input(clips))
        return {name: values.softmax(1) for name, values in logits.items()}


def as_input(clips: Tensor) -> Tensor:
    """uint8 clips [N, 5, 3, H, W] to what the judge reads: 128x64, -1..1."""
    x = clips.float() / 127.5 - 1
    if x.shape[-2:] == (HEIGHT, WIDTH):
        return x
    return functional.interpolate(x.flatten(0, 1), (HEIGHT, WIDTH), mode="area").unflatten(0, x.shape[:2])


def save_judge(judge: Judge, folder: Path, facts: dict[str, object] | None = None) -> None:
    """Weights in half precision and, beside them, the configuration and how they came about."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in judge.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    (folder / "judge.json").write_text(json.dumps({"config": asdict(judge.config), **(facts or {})}, indent=1) + "\n")


def load_judge(folder: Path = WEIGHTS) -> Judge:
    """The judge in that folder, by default the one that comes with the package.

    Raises:
        ModelError: it is missing, damaged or knows another world.
    """
    try:
        facts = json.loads((folder / "judge.json").read_text())
        judge = Judge(JudgeConfig(tuple(facts["config"]["channels"]), facts["config"]["camera"]))
        judge.load_state_dict({k: v.float() if v.is_floating_point() else v
                               for k, v in load_file(folder / "model.safetensors").items()})  # fmt: skip
    except FileNotFoundError:
        raise ModelError(f"there is no judge in {folder}: train one with `python benchmarks/judge.py`") from None
    except Exception as error:  # json, safetensors and torch each have their own errors for a broken file
        line = " ".join(str(error).split())[:160]
        raise ModelError(f"the judge in {folder} cannot be loaded ({line}): restore the folder") from None
    return judge.eval().requires_grad_(False)


def judge_fingerprint(folder: Path = WEIGHTS) -> str:
    """Short hash of the judge's weights, so that figures say who judged."""
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()[:12]
