"""One prompt split into shots: "a one-minute video explaining the water cycle" becomes a story of four.

By rule, or by any language model that answers as OpenAI's chat completions do. Either way a person sees and may change
the shots before anything is made of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import httpx
import yaml

from sgen_ray.errors import RequestError
from sgen_ray.story import parse_story
from sgen_ray.types import Shot

TOPICS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("water", "cycle"): (
        "water vapour rising from the ocean under the sun",
        "clouds forming over the mountains",
        "rain falling on the mountains",
        "a river flowing back to the ocean",
    ),
    ("mission", "mars"): (
        "a rocket taking off from the desert at dawn",
        "a rocket flying over the moon, the Earth in the sky",
        "the surface of Mars at sunset",
        "an astronaut walking on Mars, the Earth visible in the sky",
    ),
    ("day", "ocean"): (
        "a boat sailing on the ocean at dawn",
        "a boat sailing on the ocean at noon",
        "a boat sailing on the ocean at sunset",
        "a boat sailing on the ocean at night under the moon",
    ),
}
"""What the demo world can tell of a subject: where all these words are in a prompt, its shots."""

_BREAKS = re.compile(r"(?<!\d)[.!?;]\s+|\n+|,?\s+(?:and\s+)?(?:then|afterwards|finally|next)\b,?\s*", re.IGNORECASE)
_LEAD = re.compile(r"^(?:first|then|next|finally|\d+[.)]|[-*•])[\s,:]+", re.IGNORECASE)
_ASK = """You write storyboards for a video model that knows nothing but what each shot's prompt says.
Split the user's wish into 2 to 8 shots, {seconds:g} seconds in all. Each prompt is one plain English sentence that
names the subject, what it does, the place, the time of day and the weather, the same words for the same thing in every
shot.
{known}Answer with JSON alone: [{{"prompt": "...", "seconds": 15}}, ...]"""


def storyboard(prompt: str, seconds: float) -> tuple[Shot, ...]:
    """Shots by rule: those of a known topic, or else one for each sentence and each "then". Of even lengths.

    Raises:
        RequestError: there is nothing to show.
    """
    words = set(re.findall(r"[a-z]+", prompt.lower()))
    for topic, told in TOPICS.items():
        if words >= set(topic):
            return _even(told, seconds)
    parts = [_LEAD.sub("", part.strip()).strip(" .") for part in _BREAKS.split(prompt)]
    return _even([part for part in parts if part], seconds)


def asked_storyboard(
    prompt: str, seconds: float, url: str, model: str, *, key: str | None = None, known: Sequence[str] = (),
    client: httpx.Client | None = None,
) -> tuple[Shot, ...]:  # fmt: skip
    """Shots by a language model.

    Args:
        url: of its API, like http://127.0.0.1:11434/v1; model: what it is called there.
        known: words to keep to, for a video model that knows no others.
        client: by default one that waits for two minutes.

    Raises:
        RequestError: it does not answer, or not with a storyboard.
    """
    keep = f"Use only these subjects and places: {', '.join(known)}.\n" if known else ""
    wanted = {
        "model": model,
        "messages": [
            {"role": "system", "content": _ASK.format(seconds=seconds, known=keep)},
            {"role": "user", "content": prompt},
        ],
        "temperature": 0.2,
    }
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        with client or httpx.Client(timeout=120) as asking:
            answer = asking.post(f"{url.rstrip('/')}/chat/completions", json=wanted, headers=headers)
            answer.raise_for_status()
            text = answer.json()["choices"][0]["message"]["content"]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError) as error:
        line = " ".join(str(error).split())[:200]
        raise RequestError(
            f"the language model at {url} gave no answer: {line}; leave --llm out for the rules"
        ) from error
    found = re.search(r"\[.*\]", str(text), re.DOTALL)
    try:
        shots = parse_story(json.dumps(json.loads(found[0])) if found else "", "the language model's storyboard")
    except ValueError as error:  # RequestError is one
        line = " ".join(str(error).split())[:200]
        raise RequestError(f"the language model at {url} gave no storyboard: {line}; try again") from error
    total = sum(shot.seconds for shot in shots)
    return tuple(Shot(shot.prompt, round(shot.seconds * seconds / total, 2)) for shot in shots)


def story_yaml(shots: Sequence[Shot]) -> str:
    """As `story.read_story` reads it."""
    entries = [{"prompt": shot.prompt, "seconds": shot.seconds} for shot in shots]
    return str(yaml.safe_dump(entries, sort_keys=False, allow_unicode=True, width=120))


def _even(prompts: Sequence[str], seconds: float) -> tuple[Shot, ...]:
    """Whole seconds where that goes; what is left over goes to the last shot."""
    if not prompts:
        raise RequestError('the prompt is empty; say what the film tells, like "a video explaining the water cycle"')
    each = seconds / len(prompts)
    each = float(int(each)) if each >= 2 else round(each, 2)
    rest = round(seconds - each * (len(prompts) - 1), 2)
    return (*(Shot(prompt, each) for prompt in prompts[:-1]), Shot(prompts[-1], rest))
