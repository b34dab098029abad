"""Writes the results of docs/benchmarks.md from the figures in `benchmarks/results`: none is typed by hand.

Notes of a line or two on a benchmark, for what figures do not say, are read from `benchmarks/notes.yaml`: name: text.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- results: written by benchmarks/report.py -->", "<!-- end of results -->"

Figures = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--page", type=Path, default=PAGE)
    arguments = parser.parse_args()
    notes = yaml.safe_load((HERE / "notes.yaml").read_text()) or {}
    text = results(arguments.results, notes)
    before, rest = arguments.page.read_text().split(BEGIN)
    arguments.page.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{rest.split(END)[1]}")
    print(f"written: {arguments.page}")


def results(folder: Path, notes: dict[str, str]) -> str:
    """All benchmarks' sections, in the page's order; one that was not run says so."""
    sections = []
    for name, (title, section) in SECTIONS.items():
        path = folder / f"{name}.json"
        lines = [f"### {title}", ""]
        if path.exists():
            record = json.loads(path.read_text())
            lines += [_circumstances(record), "", *section(record)]
        else:
            lines.append(f"Not measured yet: `python benchmarks/{name}.py`.")
        if notes.get(name):
            lines += ["", notes[name].strip()]
        sections.append("\n".join(lines) + "\n")
    return "\n".join(sections)


def judge(record: Figures) -> list[str]:
    f = record["figures"]
    kinds = [kind for kind in ("world", "reconstructed") if kind in f]
    rows = [[name, *(_share(f[kind][name]) for kind in kinds)] for name in f["world"]]
    overall = {kind: _together(f[kind].values()) for kind in kinds}
    rows.append(["all", *(_percent(value) for value in overall.values())])
    return [*_table(["attribute", *(f"on {kind} films" for kind in kinds)], rows), "",
            _goal("all attributes on the world's films", overall["world"], f["goal"])]  # fmt: skip


def adherence(record: Figures) -> list[str]:
    f = record["figures"]
    rows = [
        [name, str(ours["total"]), _share(ours),
         *(_percent(f[kind].get(name, {}).get("share")) for kind in ("world", "reconstructed", "guessing"))]
        for name, ours in f["ours"].items()
    ]  # fmt: skip
    columns = ["attribute", "stated", "our films (95 %)", "world's own", "these through the autoencoder", "guessing"]
    return [*_table(columns, rows), "", _goal("all statements", f["ours"]["statements"]["share"], f["goal"])]


def plan_matters(record: Figures) -> list[str]:
    f = record["figures"]
    rows = [[name, _share(s["own"]), _share(s["other"])] for name, s in f["shares"].items()]
    rows.append(["films of unrelated prompts (chance)", _share(f["chance"]), "–"])
    return _table(["painted from", "shows its own prompt", "shows the other prompt"], rows)


def seams(record: Figures) -> list[str]:
    f = record["figures"]
    names = [name for name in f["summary"]["world"] if name not in ("films", "count")]
    rows = [[kind, f"{s['count']} of {s['films']}", *(_number(s.get(name)) for name in names)]
            for kind, s in f["summary"].items()]  # fmt: skip
    rows.insert(1, ["ours, those that count", "", *(_number(f["counted"].get(name)) for name in names)])
    attributes = list(dict.fromkeys(name for k in f["kept"].values() for name in k))
    attributes = [*(name for name in attributes if name != "all"), "all"]
    keeps = [[kind, *(_percent(k.get(name)) for name in attributes)] for kind, k in f["kept"].items()]
    ours, goals = f["summary"]["ours"], f["goals"]
    off = abs(ours["motion"] / f["summary"]["world"]["motion"] - 1)
    return [*_table(["films", "count", *(name.replace("_", " ") for name in names)], rows), "",
            "What the prompt leaves open stays the same, share of clips:", "",
            *_table(["films", *attributes], keeps), "",
            _goal("seam ratio", ours["seam_ratio"], goals["seam_ratio"], most=True, show=_number),
            _goal("overlap sharpness", ours["overlap_sharpness"], goals["overlap_sharpness"], show=_number),
            *(_goal(name.replace("drift_", "drift of "), ours[name], goals["drift"], most=True)
              for name in names if name.startswith("drift_")),
            _goal("motion off the world's own, by the means of all films", off, goals["motion_off"], most=True),
            _goal("kept, all", f["kept"]["ours"]["all"], goals["kept"])]  # fmt: skip


def seams_table(record: Figures) -> list[str]:
    f = record["figures"]
    names = {"seam_ratio": "seam ratio", "overlap_sharpness": "overlap sharpness", "drift_sharpness": "drift sharpness",
             "drift_colourfulness": "colourfulness", "drift_motion": "motion", "drift_confidence": "confidence",
             "motion": "motion", "motion_ratio": "of the world's"}  # fmt: skip
    clocks = {f"seconds_{n}": f"s, {n} renderer{'s' if n > 1 else ''}" for n in f["renderers"]}
    clocks |= {"seconds_any": "s, any number", "painted": "painted"}
    rows = [
        [f"{name}{' (chosen)' if name == f['chosen'] else ' *' if name in f['references'] else ''}",
         *(_number(w.get(key)) for key in names), *(_percent(w["kept"].get(key)) for key in ("colour", "all")),
         *(_number(w.get(key)) for key in clocks)]
        for name, w in f["ways"].items()
    ]  # fmt: skip
    columns = ["way", *names.values(), "colour kept", "all kept", *clocks.values()]
    note = "* reference: one process only. *Painted*: window frames over film frames. Chosen how: [seams](seams.md)."
    return [*_table(columns, rows), "", note]


def speed(record: Figures) -> list[str]:
    f = record["figures"]
    phases = ("load", "plan", "render", "decode", "encode", "join", "playable")
    rows = [
        [name, str(e["renderers"]), _number(e["after_load"]), *(_number(e["wall"].get(phase)) for phase in phases),
         _number(e["windows_a_second"]), str(round(e["peak_memory"] / 2**20))]
        for name, e in f["engines"].items()
    ]  # fmt: skip
    columns = ["engine", "renderers", "after load, s", *(f"{p}, s" for p in phases), "windows/s", "peak memory, MiB"]
    goals, usual = f["goals"], f["engines"]["as it comes"]
    note = "Phases overlap; *playable* is when the first segment was stored, counted from the start."
    return [*_table(columns, rows), "", note, "",
            _goal("seconds after load", usual["after_load"], goals["seconds_after_load"], most=True, show=_number),
            _goal("windows a second, two renderers over one", f["speedup"]["median"], goals["speedup"], show=_number),
            *(_goal(f"native {name}", f["native"][name], goals[name], show=_number) for name in f["native"]),
    ]  # fmt: skip


def held(record: Figures) -> list[str]:
    lines = []
    for name, modes in record["figures"].items():
        rows = [
            [mode, _number(m["loss"]), _number(m["free"]), _number(m["loss"] / m["free"]) if m["free"] else "–"]
            for mode, m in modes.items()
        ]
        lines += [f"The {name}:", "", *_table(["held", "loss", "same frames, nothing held", "ratio"], rows), ""]
    return [*lines, "Examples: `benchmarks/results/held_renderer.png`, `held_planner.png`."]


def chaos(record: Figures) -> list[str]:
    f = record["figures"]
    rows = [
        [kind, str(k["kills"]), *(_number(k[name]) for name in ("p50", "p95", "most"))]
        for kind, k in f["kinds"].items()
    ]
    runs = f["runs"]
    return [*_table(["killed", "kills", "next progress p50, s", "p95, s", "most, s"], rows), "",
            f"A film takes {_number(f['undisturbed'])} s undisturbed, {_number(f['disturbed'])} s (median) with kills.",
            "",
            _goal("films that were completed", f["completed"] / runs, 1.0),
            _goal("films that are the undisturbed one, bit for bit", f["identical"] / runs, 1.0),
            _goal("finished windows painted again", f["painted_again"], 0, most=True, show=_number)]  # fmt: skip


def memory(record: Figures) -> list[str]:
    f = record["figures"]
    names = list(f["growth"])
    rows = [[f"{seconds} s", *(str(round(p[name] / 2**20)) for name in names)] for seconds, p in f["peaks"].items()]
    return [*_table(["film", *(f"{name}, MiB" for name in names)], rows), "",
            *(_goal(f"growth of the {name}", f["growth"][name], f["goal"], most=True)
              for name in ("coordinator", "stitcher"))]  # fmt: skip


def playable(record: Figures) -> list[str]:
    f = record["figures"]
    phases = list(next(iter(f["films"].values())))
    rows = [
        [kind, *(_number(wall[phase]) for phase in phases), _percent(wall["playable"] / wall["total"])]
        for kind, wall in f["films"].items()
    ]
    parts = [[name, _number(seconds)] for name, seconds in f["parts"].items()]
    return [*_table(["engine", *(f"{phase}, s" for phase in phases), "playable / total"], rows), "",
            *_table(["part of a cold start, by itself", "s"], parts)]  # fmt: skip


def throughput(record: Figures) -> list[str]:
    f = record["figures"]
    rows = [[f"{what}, {size}", *(_number(w[name]) for name in ("seconds", "cpu", "frames_a_second"))]
            for size, measured in f["sizes"].items() for what, w in measured["work"].items()]  # fmt: skip
    goals = []
    for size, measured in f["sizes"].items():
        film = "x".join(map(str, measured["film"]))
        for what, (wall, cpu) in measured["share"].items():
            told = f"{what}, {size} to {film}: frames a second over ffmpeg's own ({_number(cpu)} by processor time)"
            goals.append(_goal(told, wall, f["goal"], show=_number))
    return [*_table(["work, frames", "s", "processor, s", "frames/s"], rows), "", *goals]


def overhead(record: Figures) -> list[str]:
    f = record["figures"]
    rows = [
        [f"{r['seconds']:g}", str(r["renderers"]), str(r["windows"]), _number(r["wall"]), _percent(r["efficiency"]),
         _percent(r["possible"]), _number(r["overhead_ms"]),
         *(_number(1000 * spent / r["windows"]) for spent in r["cpu"].values())]
        for r in f["runs"]
    ]  # fmt: skip
    columns = ["seconds a window", "renderers", "windows", "wall, s", "efficiency", "without any cost",
               "overhead a window, ms", *(f"CPU ms a window: {who}" for who in f["runs"][0]["cpu"])]  # fmt: skip
    goals = []
    for seconds, goal in f["goals"]["efficiency"].items():
        measured = [r["efficiency"] for r in f["runs"] if f"{r['seconds']:g}" == seconds]
        goals.append(_goal(f"least efficiency at {seconds} s a window", min(measured, default=None), goal))
    most = max(r["overhead_ms"] for r in f["runs"])
    goals.append(_goal("most milliseconds a window", most, f["goals"]["overhead_ms"], most=True, show=_number))
    return [*_table(columns, rows), "", *goals]


def simulator(record: Figures) -> list[str]:
    rows = [
        [name, str(f["completed"]), str(f["losses"]), _percent(f["utilisation"]), _percent(f["lost_work"]),
         _number(f["queued"]["median"]), _number(f["queued"]["p95"]), _number(f["stretch"]["median"]),
         *(_number(f["tenants"][tenant]["stretch_mean"]) for tenant in ("many", "few"))]
        for name, f in record["figures"].items()
    ]  # fmt: skip
    columns = ["case", "completed", "machines lost", "utilisation", "work lost", "queued, median s", "95 %, s",
               "stretch, median", "mean of the tenant with 70 % of all jobs", "of the nine others"]  # fmt: skip
    return _table(columns, rows)


def service(record: Figures) -> list[str]:
    f = record["figures"]
    load = f["load"]
    kinds = {
        "creates": "creates",
        "polls": "polls, all jobs queued",
        "polls_beside_streams": "polls beside the streams",
    }
    rows = [[what, *(_number(load[kind][name]) for name in ("rate", "p50_ms", "p99_ms"))]
            for kind, what in kinds.items()]  # fmt: skip
    memory = [[when, str(round(mib))] for when, mib in load["memory_mib"].items()]
    median = {what: sorted(found)[len(found) // 2] for what, found in f["times"].items()}
    times = [[what, _number(seconds)] for what, seconds in median.items()]
    streams = (
        f"Opening the streams took {_number(load['streams_opened_s'])} s; open and waiting they cost "
        f"{_percent(load['streams_cpu'])} of a core."
    )
    return [*_table(["one process, SQLite, eight callers", "a second", "p50, ms", "p99, ms"], rows), "", streams, "",
            *_table(["memory of that process", "MiB"], memory), "",
            *_table(["`sgen serve`, films of a minute", "median, s"], times), "",
            _goal("seconds from cancel to an idle renderer, against one step's", median["cancel to an idle renderer"],
                  median["one step of a renderer"], most=True, show=_number)]  # fmt: skip


def service_faults(record: Figures) -> list[str]:
    f = record["figures"]
    kills = [[kill["what"], _number(kill["at"]), str(kill["films_under_way"])] for kill in f["kills"]]
    streams = f["event_streams"]
    told = (
        f"{f['states'].get('completed', 0)} of {f['jobs']} jobs completed, {f['lost']} lost, {f['doubled']} doubled; "
        f"{f['films_downloaded']} films downloaded, after {_number(f['wall'])} s. "
        f"{streams['whole']} of {streams['streams']} event streams brought every event of their job once and in order "
        f"({streams['events']} in all) and {streams['ended']} its end; {streams['streams_cut_off']} of them had been "
        f"cut off, and were connected again {streams['connected_again']} times."
    )
    return [*_table(["killed", "after, s", "films under way"], kills), "", told]


def multinode(record: Figures) -> list[str]:
    films = [
        [f"{film['film']}, disturbed by {film['disturbed']}", film["same"], _number(film["seconds"])]
        for film in record["figures"]["films"]
    ]
    return _table(["film", "as one process makes it", "seconds"], films)


def upgrade(record: Figures) -> list[str]:
    return _table(["what", "figure"], [[what, _number(value)] for what, value in record["figures"].items()])


SECTIONS: dict[str, tuple[str, Callable[[Figures], list[str]]]] = {
    "judge": ("The judge", judge),
    "adherence": ("Prompt adherence", adherence),
    "plan_matters": ("The plan matters", plan_matters),
    "seams": ("Seams, drift and motion over a minute", seams),
    "seams_table": ("Ways for windows to agree", seams_table),
    "speed": ("Speed and memory", speed),
    "overhead": ("Overhead of the engine", overhead),
    "simulator": ("A day of 10,000 films, simulated", simulator),
    "held": ("Held modes", held),
    "chaos": ("Under fire", chaos),
    "memory": ("Memory against length", memory),
    "playable": ("The first playable second", playable),
    "service": ("The service under load", service),
    "service_faults": ("The service under fire", service_faults),
    "multinode": ("Nodes that are lost", multinode),
    "upgrade": ("A second cluster goes on", upgrade),
    "throughput": ("Stitching and encoding against ffmpeg alone", throughput),
}


def _circumstances(record: Figures) -> str:
    """Who was measured, when, on what, how."""
    machine, settings = record["machine"], record["settings"]
    who = [f"model {m['name']} `{m['fingerprint']}`"] if (m := record.get("model")) else []
    who += [f"judge `{record['judge']}`"] if "judge" in record else []
    where = f"{machine['cores']} cores ({machine['processor']}, {machine['cpu']})"
    if machine["gpu"]:
        where += f", {machine['gpu']}"
    numbers = {k: v for k, v in settings.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    chosen = ", ".join(f"{name} {value}" for name, value in numbers.items())
    parts = [record["date"][:10], *who, where, f"torch {record['versions']['torch']}", chosen]
    return "; ".join(parts) + "."


def _goal(what: str, measured: float | None, goal: float, most: bool = False,
          show: Callable[[float | None], str] | None = None) -> str:  # fmt: skip
    show = show or _percent
    if measured is None:
        return f"- {what}: goal {show(goal)}, not measured."
    met = measured <= goal if most else measured >= goal
    return f"- {what}: goal {'at most' if most else 'at least'} {show(goal)}, measured {show(measured)}: " + (
        "met." if met else "**missed**."
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _together(shares: Any) -> float | None:
    counted = list(shares)
    total = sum(s["total"] for s in counted)
    return sum(s["hits"] for s in counted) / total if total else None


def _share(s: Figures) -> str:
    if s["share"] is None:
        return "–"
    low, high = s["interval"]
    return f"{_percent(s['share'])} ({100 * low:.0f}–{100 * high:.0f})"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


if __name__ == "__main__":
    main()
