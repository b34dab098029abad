"""story.yaml: a storyboard as a person writes it, read with errors that name the line.

    - prompt: water evaporating from the ocean under a hot sun
      seconds: 15
    - prompt: clouds drifting over the mountains
      seconds: 15

The same list may stand under a key `shots:`.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

import yaml

from sgen_ray.errors import RequestError
from sgen_ray.types import Shot

MAX_BYTES = 1 << 20
KEYS = ("prompt", "seconds")
EXAMPLE = "- prompt: a fox in the snow, then on the next line, indented alike, seconds: 15"


def read_story(path: str | Path) -> tuple[Shot, ...]:
    """The shots of a story file, at least one; `RequestError` says which line to change.

    Ranges of prompt length and seconds are `make_request`'s to check.
    """
    path = Path(path)
    return parse_story(_read(path), path.name)


def parse_story(text: str, name: str = "story.yaml") -> tuple[Shot, ...]:
    """The shots of a story given as text; `name` is what errors call it."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        problem = error.problem or "not YAML"
        hint = "; put a text that holds a colon in quotes" if "mapping values" in problem else ""
        mark = error.problem_mark or error.context_mark
        raise _error(name, mark.line + 1 if mark else 1, f"{problem}{hint}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _error(name, line, "a character that YAML does not allow; save the file as plain UTF-8 text") from error
    except RecursionError as error:
        raise _error(name, 1, f"nested too deeply; a story is a flat list of shots: {EXAMPLE}") from error
    if root is None:
        raise _error(name, 1, f"the story is empty; write a list of shots: {EXAMPLE}")

    shots = _entries(root, ("shots",), name)["shots"] if isinstance(root, yaml.MappingNode) else root
    if not isinstance(shots, yaml.SequenceNode) or not shots.value:
        raise _error(name, _line(shots), f"a story is a list of shots: {EXAMPLE}")
    return tuple(_shot(node, name) for node in shots.value)


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise RequestError(f"{path} has {path.stat().st_size:,} bytes, too many for a story; is it the right file?")
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise RequestError(f"{path} does not exist; check the path of the story file") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise _error(path.name, line, "not UTF-8 text; save the file as UTF-8") from error
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror}; give a readable story file") from error


def _shot(node: yaml.Node, name: str) -> Shot:
    if not isinstance(node, yaml.MappingNode):
        raise _error(name, _line(node), f"a shot needs the keys prompt and seconds: {EXAMPLE}")
    entries = _entries(node, KEYS, name)

    prompt = entries["prompt"]
    if not isinstance(prompt, yaml.ScalarNode) or not prompt.value.strip():
        raise _error(name, _line(prompt), "prompt must be a text that says what the shot shows")

    seconds = entries["seconds"]
    try:
        length = float(seconds.value) if isinstance(seconds, yaml.ScalarNode) else float("nan")
    except ValueError:
        length = float("nan")
    if not 0 < length < float("inf"):
        shown = repr(seconds.value[:40]) if isinstance(seconds, yaml.ScalarNode) else "a list or mapping"
        raise _error(name, _line(seconds), f"seconds is {shown}; write a number above 0, like 15")
    return Shot(prompt.value, length)


def _entries(node: yaml.MappingNode, keys: Sequence[str], name: str) -> dict[str, yaml.Node]:
    """The nodes under exactly these keys."""
    found: dict[str, yaml.Node] = {}
    for key, value in node.value:
        word = key.value if isinstance(key, yaml.ScalarNode) else ""
        if word not in keys:
            near = difflib.get_close_matches(word.lower(), keys, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"use {' and '.join(keys)}"
            raise _error(name, _line(key), f"unknown key {word[:40]!r}; {hint}")
        if word in found:
            raise _error(name, _line(key), f"{word} is given twice; start every shot with a dash")
        found[word] = value
    for key in keys:
        if key not in found:
            raise _error(name, _line(node), f"{key} is missing; add a line {key}: ...")
    return found


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _error(name: str, line: int, text: str) -> RequestError:
    return RequestError(f"{name}, line {line}: {text}")
