"""Workers and calls on Ray: an actor each, and what it means where Ray says that something has died."""

from __future__ import annotations

import functools
import sys
from typing import Any

from sgen_ray.engine.calls import OutOfMemory, WorkerDied, WorkerTaken
from sgen_ray.errors import Cancelled, EngineError


def on_ray() -> bool:
    """Whether this process is connected to a Ray cluster. Ray is not imported for that."""
    # Another thread may be half-way through importing it.
    asked = getattr(sys.modules.get("ray"), "is_initialized", None)
    return asked is not None and bool(asked())


def canceled() -> bool:
    import ray

    return bool(ray.get_runtime_context().is_canceled())


class RayCall:
    def __init__(self, small: Any, payload: Any) -> None:
        self.small, self.payload = small, payload

    def result(self) -> Any:
        import ray
        from ray import exceptions

        try:
            return ray.get(self.small)
        except exceptions.TaskCancelledError:
            raise Cancelled("cancelled before it began") from None
        except exceptions.RayActorError as error:
            if getattr(error, "actor_init_failed", False):
                raise EngineError(f"a worker does not start: {last_line(error)}") from error
            raise _death(error) from None
        except (exceptions.WorkerCrashedError, exceptions.OutOfMemoryError, exceptions.NodeDiedError) as error:
            raise _death(error) from None
        except exceptions.RayTaskError as error:
            cause = error.cause
            raise cause if isinstance(cause, Exception) else EngineError(last_line(error)) from None


class RayWorker:
    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self.ended = False

    def call(self, method: str, *args: Any) -> RayCall:
        return RayCall(*getattr(self._handle, method).options(num_returns=2).remote(*args))

    def status(self) -> RayCall:
        return RayCall(self._handle.status.options(concurrency_group="status").remote(), None)

    def node(self) -> RayCall:
        return RayCall(self._handle.node.options(concurrency_group="status").remote(), None)

    def abandon(self, turn: int) -> None:
        self._handle.abandon.options(concurrency_group="status").remote(turn)

    def kill(self) -> None:
        import ray

        self.ended = True
        ray.kill(self._handle)


@functools.cache
def remote_class(actor: type) -> Any:
    import ray

    def node(self: Any) -> str:
        return str(ray.get_runtime_context().get_node_id())

    placed = type(actor.__name__, (actor,), {"node": node, "__module__": actor.__module__})
    return ray.remote(concurrency_groups={"status": 1})(placed)


def last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _death(error: BaseException) -> WorkerDied:
    text = str(error)
    if (
        "memory monitor" in text
        or "OutOfMemory" in type(error).__name__
        or "due to the node running low on memory" in text
    ):
        return OutOfMemory("its machine ran out of memory; use fewer renderers")
    if "owner has died" in text or "owner of this actor" in text or "ray.kill" in text:
        return WorkerTaken("the pool ended it or went away")
    if "node" in text and ("died" in text or "terminated" in text) and "exit detail" not in text:
        return WorkerTaken("its machine went away")
    return WorkerDied("its process was killed, ran out of memory or crashed")
