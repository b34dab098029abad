"""An API server of Kubernetes for tests: as much of it as kubectl asks for when it makes, watches and deletes a RayJob,
reads a pod's log and runs a command in a pod. What KubeRay would do to a RayJob is a function of the test's."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

Document = dict[str, Any]
_RESOURCES = {
    "v1": [("pods", "Pod", "po")],
    "ray.io/v1": [("rayservices", "RayService", ""), ("rayjobs", "RayJob", "")],
    "batch/v1": [("jobs", "Job", "")],
}


@dataclass
class ToyKubernetes:
    """`objects` by plural and name. `made` is called with a RayJob that was created; `log` gives the lines of the pod
    that submits it, `run` the output of a command in a pod."""

    made: Callable[[Document], None] = lambda job: None
    log: Callable[[], Iterator[str]] = lambda: iter(())
    run: Callable[[list[str]], bytes] = lambda words: b""
    objects: dict[tuple[str, str], Document] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._note])
        app.router.add_get("/api", self._versions)
        app.router.add_get("/apis", self._groups)
        app.router.add_get("/openapi/v2", self._openapi)
        app.router.add_get("/api/v1", self._resources)
        app.router.add_get("/apis/{group}/{version}", self._resources)
        for root in ("/api/v1", "/apis/ray.io/v1", "/apis/batch/v1"):
            one = root + "/namespaces/{namespace}/{plural}/{name}"
            app.router.add_get(root + "/namespaces/{namespace}/{plural}", self._list)
            app.router.add_post(root + "/namespaces/{namespace}/{plural}", self._create)
            app.router.add_get(one, self._get)
            app.router.add_delete(one, self._delete)
        app.router.add_get("/api/v1/namespaces/{namespace}/pods/{name}/log", self._log)
        app.router.add_get("/api/v1/namespaces/{namespace}/pods/{name}/exec", self._exec)
        return app

    @web.middleware
    async def _note(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path}")
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _versions(self, request: web.Request) -> web.Response:
        return web.json_response({"kind": "APIVersions", "versions": ["v1"]})

    async def _openapi(self, request: web.Request) -> web.Response:
        """No schema at all, in Protobuf: kubectl then checks nothing. Ours are checked by tests/manifests.py."""
        return web.Response(body=b"", content_type="application/com.github.proto-openapi.spec.v2.v1.0+protobuf")

    async def _groups(self, request: web.Request) -> web.Response:
        groups = []
        for group in (name.partition("/")[0] for name in _RESOURCES if "/" in name):
            version = {"groupVersion": f"{group}/v1", "version": "v1"}
            groups.append({"name": group, "versions": [version], "preferredVersion": version})
        return web.json_response({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})

    async def _resources(self, request: web.Request) -> web.Response:
        group = request.path.removeprefix("/apis/").removeprefix("/api/")
        verbs = ["create", "delete", "get", "list", "patch", "watch"]
        found = [
            {"name": plural, "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": verbs,
             "shortNames": [short] if short else []}
            for plural, kind, short in _RESOURCES[group]
        ]  # fmt: skip
        return web.json_response({"kind": "APIResourceList", "groupVersion": group, "resources": found})

    async def _list(self, request: web.Request) -> web.Response:
        items = [item for (plural, _), item in self.objects.items() if plural == request.match_info["plural"]]
        for term in filter(None, request.query.get("labelSelector", "").split(",")):
            key, _, value = term.partition("=")
            items = [item for item in items if item["metadata"].get("labels", {}).get(key) == value]
        kinds = {plural: (kind, group) for group, found in _RESOURCES.items() for plural, kind, _ in found}
        kind, group = kinds[request.match_info["plural"]]
        return web.json_response({"kind": f"{kind}List", "apiVersion": group, "metadata": {}, "items": items})

    async def _get(self, request: web.Request) -> web.Response:
        found = self.objects.get((request.match_info["plural"], request.match_info["name"]))
        return web.json_response(found) if found else _status(404, "NotFound", request.match_info["name"])

    async def _create(self, request: web.Request) -> web.Response:
        document = await request.json()
        self.objects[request.match_info["plural"], document["metadata"]["name"]] = document
        self.made(document)
        return web.json_response(document, status=201)

    async def _delete(self, request: web.Request) -> web.Response:
        found = self.objects.pop((request.match_info["plural"], request.match_info["name"]), None)
        return _status(200, "", "") if found else _status(404, "NotFound", request.match_info["name"])

    async def _log(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await answer.prepare(request)
        for line in self.log():
            await answer.write(line.encode() + b"\n")
            await asyncio.sleep(0)
        return answer

    async def _exec(self, request: web.Request) -> web.WebSocketResponse:
        """Kubernetes' remote command protocol: a channel's number before each message; 1 is stdout, 3 the exit."""
        socket = web.WebSocketResponse(protocols=("v5.channel.k8s.io",))
        await socket.prepare(request)
        out = self.run(request.query.getall("command"))
        for start in range(0, len(out), 4096):
            await socket.send_bytes(b"\x01" + out[start : start + 4096])
        await socket.send_bytes(b"\x03" + json.dumps({"status": "Success"}).encode())
        await socket.close()
        return socket


def _status(code: int, reason: str, name: str) -> web.Response:
    facts = {"kind": "Status", "apiVersion": "v1", "status": "Success" if code == 200 else "Failure", "code": code}
    return web.json_response({**facts, "reason": reason, "message": f"{name} not found"}, status=code)


@contextmanager
def serving(toy: ToyKubernetes, folder: Path) -> Iterator[Path]:
    """Serves it until the block ends; gives the file that KUBECONFIG is to name."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    runner = web.AppRunner(toy.app())
    port: list[int] = []

    async def start() -> None:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        port.append(site._server.sockets[0].getsockname()[1])  # type: ignore[attr-defined]
        ready.set()

    def work() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(start())
        loop.run_forever()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    ready.wait(10)
    config = folder / "kubeconfig.json"
    cluster = {"name": "toy", "cluster": {"server": f"http://127.0.0.1:{port[0]}"}}
    context = {"name": "toy", "context": {"cluster": "toy", "user": "toy", "namespace": "sgen"}}
    users = [{"name": "toy", "user": {}}]
    facts = {"apiVersion": "v1", "kind": "Config", "clusters": [cluster], "contexts": [context], "users": users}
    config.write_text(json.dumps({**facts, "current-context": "toy"}))
    try:
        yield config
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
