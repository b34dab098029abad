import io

from rich.console import Console

from sgen_ray.cli.progress import Live, Plain, _bars
from sgen_ray.engine import events as e

STARTED = e.FilmStarted(4, 8, 2, 1, "cpu", windows_reused=1, segments_reused=0)


def test_plain_lines_tell_what_is_left_at_the_pace_so_far():
    lines: list[str] = []
    now = [0.0]
    plain = Plain(lines.append, lambda: now[0])
    plain(STARTED)
    now[0] = 5.0
    plain(e.PhaseFinished("load", 5.0))
    now[0] = 15.0
    plain(e.WindowFinished(2, renderer=0, seconds=10.0))  # 2 of 4 are there; one took 10 s, so two take 20 s
    now[0] = 16.0
    plain(e.WorkerLost("renderer 1", "window 3", "killed\nby somebody"))
    plain(e.SegmentEncoded(0, 1, 8))
    plain(e.SegmentEncoded(7, 8, 8))
    assert lines == [
        "4 windows (1 from the store) on 2 cpu renderers",
        "load: 5.0 s",
        "render: window 2 in 10.0 s, 2 of 4 done, about 20 s left",
        "renderer 1 failed at window 3 (killed by somebody); trying again",
        "encode: 8 segments",
    ]


def test_bars_count_the_sampler_steps_of_all_windows():
    screen = Console(file=io.StringIO(), force_terminal=True, width=100)
    with _bars(screen) as bars:
        live = Live(bars)
        for event in (
            e.PhaseStarted("load"),
            e.PhaseFinished("load", 1.0),
            e.PhaseStarted("plan"),
            e.PlanStep(3, 16),
            e.PhaseFinished("plan", 1.0),
            STARTED,
            e.WindowStep(1, renderer=0, done=2, total=8),
            e.WindowStep(2, renderer=1, done=7, total=8),
            e.WindowFinished(2, renderer=1, seconds=3.0),
            e.SegmentEncoded(0, 1, 8),
        ):
            live(event)
        told = {task.description: (task.completed, task.total) for task in bars.tasks}
    assert told == {
        "4 windows (1 from the store) on 2 cpu renderers": (1, 1),
        "plan": (16, 16),
        "render window 1": (8 + 2 + 8, 4 * 8),
        "encode": (1, 8),
    }
