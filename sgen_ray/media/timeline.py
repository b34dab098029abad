"""Which worker did what and when, as a picture: a row a worker, a bar a call."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from sgen_ray.media.sheets import FAINT, INK, PAPER
from sgen_ray.types import Span

COLOURS = {"plan": (122, 82, 176), "render": (46, 110, 190), "decode": (232, 150, 50), "encode": (70, 150, 90)}
WIDTH, ROW, LEFT, TEXT = 1000, 26, 110, 13


def timeline(spans: Sequence[Span], title: str = "") -> Image.Image:
    """Spans as bars over seconds; windows and segments carry their numbers where there is room."""
    rows = sorted({(span.phase != "plan", span.worker, _who(span)) for span in spans})
    names = list(dict.fromkeys(name for _, _, name in rows)) or ["nothing was to be done"]
    font = ImageFont.load_default(TEXT)
    end = max((span.stop for span in spans), default=1.0)
    step = next(s for s in (0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 3600, 10**9) if end / s <= 12)
    picture = Image.new("RGB", (WIDTH, ROW * (len(names) + 3)), PAPER)
    draw = ImageDraw.Draw(picture)
    draw.text((8, 6), title, fill=INK, font=font)
    scale = (WIDTH - LEFT - 20) / end
    bottom = ROW * (len(names) + 1)
    for tick in range(int(end / step) + 1):
        x = LEFT + tick * step * scale
        draw.line((x, ROW, x, bottom), fill=(225, 225, 222))
        draw.text((x - 6, bottom + 3), f"{tick * step:g}", fill=FAINT, font=font)
    for place, name in enumerate(names):
        draw.text((8, ROW * (place + 1) + 5), name, fill=INK, font=font)
    for span in spans:
        top = ROW * (names.index(_who(span)) + 1) + 3
        box = (
            LEFT + span.start * scale,
            top,
            max(LEFT + span.start * scale + 1, LEFT + span.stop * scale - 1),
            top + 20,
        )
        draw.rectangle(box, fill=COLOURS[span.phase])
        if box[2] - box[0] > font.getlength(str(span.index)) + 4 and span.phase != "plan":
            draw.text((box[0] + 3, top + 3), str(span.index), fill=(255, 255, 255), font=font)
    x = LEFT
    for phase, colour in COLOURS.items():
        draw.rectangle((x, bottom + ROW + 4, x + 12, bottom + ROW + 16), fill=colour)
        draw.text((x + 18, bottom + ROW + 3), phase, fill=INK, font=font)
        x += 90
    draw.text((x, bottom + ROW + 3), "seconds; numbers are those of windows and segments", fill=FAINT, font=font)
    return picture


def _who(span: Span) -> str:
    return "planner" if span.phase == "plan" else f"renderer {span.worker}"
