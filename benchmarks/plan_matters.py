"""Does the plan decide the content? Semantic tokens of two prompts swapped, or zeroed, with and without the text.

Every film keeps its own noise. Two prompts make a pair; the judge reads the attributes that both captions state and
state differently. "own" is what the film's own prompt says of them, "other" what the other one says; chance is how
often films of unrelated prompts, painted as usual, show what a film's own prompt says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from common import each, judge, model, options, save, show

from sgen_ray.evaluation.adherence import Case, Reading, draw_cases, read
from sgen_ray.evaluation.painting import paint, request, with_tokens_of, without_text, without_tokens
from sgen_ray.evaluation.shares import Share, share

CONDITIONS = {
    "own plan, own text": "as usual",
    "own plan, no text": "the plan alone",
    "other plan, no text": "swapped: content must follow the plan",
    "other plan, own text": "swapped, the text against it",
    "no plan, no text": "zeroed: must fall to chance",
    "no plan, own text": "zeroed, the text alone",
}
USUAL = next(iter(CONDITIONS))
LEAST_DIFFERENT = 2
"""Attributes that two captions must state differently to make a pair."""


@dataclass(frozen=True)
class Pair:
    """Two prompts, and the attributes that both state, differently."""

    model: str
    cases: tuple[Case, Case]
    seconds: float

    @property
    def attributes(self) -> tuple[str, ...]:
        first, second = (case.stated for case in self.cases)
        return tuple(name for name in first if name in second and first[name] != second[name])


PairReading = dict[str, tuple[Reading, Reading]]
"""Condition -> readings of the pair's two films."""


def main() -> None:
    parser = options(__doc__ or "", films=40, small=4)
    parser.add_argument("--seconds", type=float, default=6.0, help="length of each film")
    arguments = parser.parse_args()
    cases = draw_cases(4 * arguments.films, arguments.seconds, 1000 + arguments.seed)
    pairs = pair_up(cases, arguments.films // 2, arguments.model, arguments.seconds)
    readings = list(each(read_pair, pairs, arguments.workers, "pairs"))

    shares = {
        condition: {
            "own": agreement([r[condition] for r in readings], pairs, other=False),
            "other": agreement([r[condition] for r in readings], pairs, other=True),
        }
        for condition in CONDITIONS
    }
    chance = unrelated([r[USUAL] for r in readings], pairs)
    rows = [[name, why, *shares[name].values()] for name, why in CONDITIONS.items()]
    rows.append(["unrelated films", "chance", chance, None])
    show(f"Whose prompt do films show? {len(pairs)} pairs, %", ["painted from", "", "own prompt", "other prompt"], rows)
    save("plan_matters", arguments, {"shares": shares, "chance": chance})


def pair_up(cases: Sequence[Case], count: int, model: str, seconds: float) -> list[Pair]:
    """The first `count` pairs of cases, each case once, whose captions differ enough."""
    pairs: list[Pair] = []
    left = list(cases)
    while left and len(pairs) < count:
        first = left.pop(0)
        for second in left:
            pair = Pair(model, (first, second), seconds)
            if len(pair.attributes) >= LEAST_DIFFERENT:
                pairs.append(pair)
                left.remove(second)
                break
    return pairs


def read_pair(pair: Pair) -> PairReading:
    ours = model(pair.model)
    plans = [ours.planner.plan(request(ours, case.caption, pair.seconds, case.seed)) for case in pair.cases]
    out: PairReading = {}
    for condition in CONDITIONS:
        tokens, text = condition.split(", ")
        made = []
        for own, other in (plans, plans[::-1]):
            plan = with_tokens_of(own, other) if tokens == "other plan" else own
            plan = without_tokens(plan) if tokens == "no plan" else plan
            plan = without_text(ours, plan) if text == "no text" else plan
            made.append(read(judge(), paint(ours, plan), plan.grid.fps))
        out[condition] = (made[0], made[1])
    return out


def agreement(readings: Sequence[tuple[Reading, Reading]], pairs: Sequence[Pair], other: bool) -> Share:
    """Share of attributes seen as the film's own prompt says, or as the other one does."""
    return share(
        reading[side].seen[name] == pair.cases[side ^ other].stated[name]
        for reading, pair in zip(readings, pairs, strict=True)
        for side in (0, 1)
        for name in pair.attributes
    )


def unrelated(readings: Sequence[tuple[Reading, Reading]], pairs: Sequence[Pair]) -> Share:
    """Share of attributes seen in the next pair's films as this pair's prompts say."""
    if len(pairs) < 2:
        return Share(0, 0)
    return agreement([*readings[1:], readings[0]], pairs, other=False)


if __name__ == "__main__":
    main()
