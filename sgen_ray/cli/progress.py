"""What the engine tells, shown on stderr: live bars on a terminal, plain lines elsewhere. Both only repeat events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as Remaining

from sgen_ray.engine.events import (
    Event,
    FilmStarted,
    JobRecorded,
    OnEvent,
    PhaseFinished,
    PhaseStarted,
    PlanStep,
    SegmentEncoded,
    WindowFinished,
    WindowStep,
    WorkerLost,
)


@contextmanager
def reporting(
    quiet: bool = False, begin: str = "start Ray and load the model", clock: Callable[[], float] = time.monotonic
) -> Iterator[OnEvent]:
    """Gives the callback that shows the engine's events until the block ends.

    begin: what happens until the engine tells something. clock: seconds, at the time of the event at hand.
    """
    console = Console(stderr=True, highlight=False)
    if quiet:
        yield lambda event: None
    elif console.is_terminal:
        with _bars(console) as bars:
            yield Live(bars, begin)
    else:
        yield Plain(lambda line: console.print(line, markup=False, soft_wrap=True), clock)


@contextmanager
def counting(name: str, total: int, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """Gives a function to call with how many of `total` are done, for work without an engine."""
    console = Console(stderr=True, highlight=False)
    if quiet or not console.is_terminal:
        yield lambda done: None
        return
    with _bars(console) as bars:
        task = bars.add_task(name, total=total)
        yield lambda done: bars.update(task, completed=done)


@contextmanager
def training(stage: str, quiet: bool = False) -> Iterator[Callable[[int, int, Mapping[str, float]], None]]:
    """Gives the callback of `sgen train`: a bar with loss and ETA, or a line every twenty seconds."""
    console = Console(stderr=True, highlight=False)
    if quiet:
        yield lambda step, steps, figures: None
    elif console.is_terminal:
        with _bars(console) as bars:
            task = bars.add_task(stage, total=None)
            yield lambda step, steps, figures: bars.update(
                task, completed=step, total=steps, description=f"{stage}, loss {figures['loss']:.3f}"
            )
    else:
        said = time.monotonic()

        def tell(step: int, steps: int, figures: Mapping[str, float]) -> None:
            nonlocal said
            if time.monotonic() - said > 20 or step == steps:
                said = time.monotonic()
                shown = ", ".join(f"{name} {value:.3f}" for name, value in figures.items())
                console.print(f"{stage}: step {step} of {steps}, {shown}", markup=False, soft_wrap=True)

        yield tell


class Live:
    """One bar each for the plan, the sampler steps of all windows, and the segments."""

    def __init__(self, bars: Progress, begin: str = "start Ray and load the model") -> None:
        self._bars = bars
        self._load = bars.add_task(begin, total=None)
        self._plan = bars.add_task("plan", total=None, visible=False, start=False)
        self._render = bars.add_task("render", total=None, visible=False, start=False)
        self._encode = bars.add_task("encode", total=None, visible=False, start=False)
        self._windows = self._reused = 0
        self._steps: dict[int, tuple[int, int]] = {}

    def __call__(self, event: Event) -> None:
        bars = self._bars
        match event:
            case JobRecorded(job):
                bars.console.print(f"job {job}", markup=False)
            case FilmStarted():
                self._windows, self._reused = event.windows, event.windows_reused
                bars.update(self._load, description=_started(event))
                bars.update(self._encode, total=event.segments, completed=event.segments_reused)
            case PhaseStarted("plan"):
                bars.start_task(self._plan)
                bars.update(self._plan, visible=True)
            case PhaseFinished("plan"):
                total = self._bars.tasks[self._plan].total or 1
                bars.update(self._plan, total=total, completed=total)
            case PhaseFinished("load") | PhaseStarted("join"):
                bars.update(self._load, total=1, completed=1)
            case PlanStep(done, total):
                bars.update(self._plan, visible=True, total=total, completed=done)
            case WindowStep():
                self._steps[event.window] = event.done, event.total
                self._show_windows(event.total)
            case WindowFinished():
                total = max((total for _, total in self._steps.values()), default=1)
                self._steps[event.window] = total, total
                self._show_windows(total)
            case SegmentEncoded():
                bars.start_task(self._encode)
                bars.update(self._encode, visible=True, total=event.total, completed=event.done)
            case WorkerLost():
                bars.console.print(_lost(event), markup=False)

    def _show_windows(self, steps: int) -> None:
        done = sum(done for done, _ in self._steps.values()) + self._reused * steps
        at_work = ", ".join(str(window) for window, (done, total) in sorted(self._steps.items()) if done < total)
        self._bars.start_task(self._render)  # for the clock; a task that runs already goes on
        self._bars.update(
            self._render,
            visible=True,
            description=f"render window {at_work}" if at_work else "render",
            total=self._windows * steps,
            completed=done,
        )


class Plain:
    """A line for each phase and window, with what is left at the pace so far."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._windows = self._done = self._reused = 0
        self._begin = clock()

    def __call__(self, event: Event) -> None:
        match event:
            case JobRecorded(job):
                self._write(f"job {job}")
            case FilmStarted():
                self._windows, self._done, self._reused = event.windows, event.windows_reused, event.windows_reused
                self._begin = self._clock()
                self._write(_started(event))
            case PhaseFinished("load" | "plan" | "join"):
                self._begin = self._clock()
                self._write(f"{event.phase}: {event.seconds:.1f} s")
            case WindowFinished():
                self._done += 1
                elapsed = self._clock() - self._begin
                left = (self._windows - self._done) * elapsed / (self._done - self._reused)
                self._write(
                    f"render: window {event.window} in {event.seconds:.1f} s, {self._done} of {self._windows} done"
                    + (f", about {left:.0f} s left" if left else "")
                )
            case SegmentEncoded(done=done, total=total) if done == total:
                self._write(f"encode: {total} segments")
            case WorkerLost():
                self._write(_lost(event))


def _bars(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        Remaining(compact=True),
        console=console,
    )


def _started(event: FilmStarted) -> str:
    reused = f" ({event.windows_reused} from the store)" if event.windows_reused else ""
    each = f" of {event.threads} threads" if event.device == "cpu" and event.threads > 1 else ""
    workers = f"{event.renderers} {event.device} renderer{'s' * (event.renderers != 1)}{each}"
    return f"{event.windows} windows{reused} on {workers}"


def _lost(event: WorkerLost) -> str:
    return f"{event.worker} failed at {event.work} ({' '.join(event.cause.split())[:200]}); trying again"
