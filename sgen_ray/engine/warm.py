"""A place for one film after another, where planners and renderers stay warm between them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sgen_ray.engine.config import EngineConfig
from sgen_ray.engine.runtime import Runtime
from sgen_ray.engine.studio import opened
from sgen_ray.errors import Cancelled, SgenError


class Workshop:
    """A runtime, with its pools; opened at the first need, and anew where a film was cut off or its cluster is gone."""

    def __init__(self, engine: EngineConfig) -> None:
        self._engine = engine
        self._open = ExitStack()
        self._runtime: Runtime | None = None

    def __enter__(self) -> Workshop:
        return self

    def __exit__(self, *exception: object) -> None:
        self._runtime = None
        self._open.close()

    @contextmanager
    def place(self) -> Iterator[Runtime]:
        if self._runtime is None:
            self._runtime = self._open.enter_context(opened(self._engine))
        try:
            yield self._runtime
        except (SgenError, Cancelled):  # the film's own trouble: its workers were given back
            if not self._runtime.works():
                self.__exit__()
            raise
        except BaseException:
            self.__exit__()
            raise
