"""`sgen submit --k8s`: a film made as a RayJob of KubeRay, by way of kubectl and whatever cluster that is set up for.

It runs on the Ray cluster of a RayService, whose pool of renderers it shares, or with --own-cluster on one of its own.
Either way pods are as whoever runs the platform has described them in the service: there is no other template.
"""

from __future__ import annotations

import copy
import json
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sgen_ray.cli import show
from sgen_ray.cli.kube_command import RUNTIME_ENV, Listener, arguments, command, key_of, tell
from sgen_ray.cli.kube_lines import Made, proven
from sgen_ray.errors import EngineError

if TYPE_CHECKING:
    from sgen_ray.cli.wanted import Manner, Wanted

_POLL = 1.0
_OVER = ("Complete", "Failed", "ValidationFailed")
Document = dict[str, Any]


@dataclass(frozen=True)
class OnKubernetes:
    """The RayService `service` in `namespace`. `dry`: the RayJob is printed, and nothing asked of it but its pods."""

    namespace: str
    service: str
    own_cluster: bool = False
    dry: bool = False

    def submit(self, wanted: Wanted, manner: Manner) -> None:
        from sgen_ray.cli.progress import reporting

        made = arguments(wanted)
        service = self._get("rayservice", self.service)
        if service is None:
            raise EngineError(
                f"there is no RayService {self.service} in the namespace {self.namespace}; name it with --service"
            )
        job = ray_job(service, f"sgen-{key_of(made)}", command(made), own_cluster=self.own_cluster)
        if self.dry:
            import yaml

            print(yaml.safe_dump(job, sort_keys=False), end="")
            return
        name = job["metadata"]["name"]
        there = self._get("rayjob", name)
        if there is not None and _state(there) in _OVER and _result(there) != "SUCCEEDED":
            self._delete(name)
            there = None
        if there is None:
            self._kubectl("apply", "--filename", "-", given=json.dumps(job).encode())
        if not manner.wait:
            print(f"rayjob {name}: kubectl --namespace {self.namespace} get rayjob {name} --watch")
            return
        stopped = f"the RayJob {name} was deleted; finished windows are in the store: the same command again goes on"
        with show.working(f"the RayJob {name} goes on; the same command shows it again" if manner.detach else stopped):
            try:
                with reporting(manner.quiet, begin="wait for the cluster") as on_event:
                    result, head = self._watch(name, Listener(on_event))
                film = None
                if manner.output is not None:
                    film = self._kubectl(
                        "exec", head, "--container", "ray-head", "--", "sgen", "fetch", result.job, "-o", "-"
                    )
                    film = proven(film, result)
            except KeyboardInterrupt:
                if not manner.detach:
                    self._delete(name)
                raise
        tell(result, manner, film)

    def _watch(self, name: str, listener: Listener) -> tuple[Made, str]:
        """Follows the log of the pod that submits the job, and of the next one where KubeRay tries again."""
        while True:
            job = self._get("rayjob", name)
            if job is None:
                raise EngineError(f"somebody has deleted the RayJob {name}")
            if _state(job) in _OVER:
                break
            if _state(job) == "Running":
                self._follow(f"job/{name}", listener)
            time.sleep(_POLL)
        if listener.made is None:  # it was over before its log was seen to the end
            self._follow(f"job/{name}", listener)
        if _result(job) != "SUCCEEDED" or listener.made is None:
            message = job.get("status", {}).get("message") or f"see kubectl describe rayjob {name}"
            raise listener.failure(f"the RayJob {name} has failed: {message}")
        cluster = job["status"]["rayClusterName"]
        labels = f"ray.io/cluster={cluster},ray.io/node-type=head"
        head = self._kubectl("get", "pod", "--selector", labels, "--output", "name").decode().split()
        return listener.made, head[0] if head else ""

    def _follow(self, pod: str, listener: Listener) -> None:
        line = self._line("logs", "--follow", pod, "--container", "ray-job-submitter")
        with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            assert process.stdout is not None
            try:
                for said in process.stdout:
                    listener.hear([said.rstrip("\n")])
            finally:
                process.terminate()

    def _get(self, kind: str, name: str) -> Document | None:
        found = self._kubectl("get", kind, name, "--output", "json", "--ignore-not-found")
        document: Document | None = json.loads(found) if found.strip() else None
        return document

    def _delete(self, name: str) -> None:
        self._kubectl("delete", "rayjob", name, "--ignore-not-found")

    def _line(self, *words: str) -> list[str]:
        return ["kubectl", "--namespace", self.namespace, *words]

    def _kubectl(self, *words: str, given: bytes | None = None) -> bytes:
        line = self._line(*words)
        try:
            done = subprocess.run(line, input=given, capture_output=True, check=False)
        except FileNotFoundError:
            raise EngineError("there is no kubectl; install it, or submit with --ray or --server") from None
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise EngineError(f"kubectl {words[0]}: {said[-1] if said else f'exit code {done.returncode}'}")
        return done.stdout


def ray_job(service: Document, name: str, entrypoint: str, *, own_cluster: bool) -> Document:
    """A RayJob on the cluster of a RayService, or on one of its own that is made alike.

    Raises:
        EngineError: the service has no cluster at the moment.
    """
    config = service["spec"]["rayClusterConfig"]
    spec: Document = {
        "entrypoint": entrypoint,
        "entrypointNumCpus": 1,
        "runtimeEnvYAML": json.dumps(RUNTIME_ENV),
        "submissionMode": "K8sJobMode",
        "backoffLimit": 2,
        "submitterPodTemplate": {"spec": _submitter(config)},
    }
    if own_cluster:
        spec |= {
            "shutdownAfterJobFinishes": True,
            "ttlSecondsAfterFinished": 600,
            "rayClusterSpec": _without_serve(config),
        }
    else:
        cluster = service.get("status", {}).get("activeServiceStatus", {}).get("rayClusterName")
        if not cluster:
            raise EngineError(
                f"the RayService {service['metadata']['name']} has no cluster yet; wait, or use --own-cluster"
            )
        spec |= {"clusterSelector": {"ray.io/cluster": cluster}}
    metadata = {"name": name, "namespace": service["metadata"]["namespace"]}
    labels = {"app.kubernetes.io/part-of": "sgen-ray"}
    return {"apiVersion": "ray.io/v1", "kind": "RayJob", "metadata": {**metadata, "labels": labels}, "spec": spec}


def _submitter(config: Document) -> Document:
    """The pod that submits the job: the head's image, confined as the head is."""
    head = config["headGroupSpec"]["template"]["spec"]
    container = {
        "name": "ray-job-submitter",
        "image": head["containers"][0]["image"],
        "env": [{"name": "HOME", "value": "/tmp"}],
        "resources": {
            "requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "500m", "memory": "512Mi"}
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }  # fmt: skip
    pod: Document = {"restartPolicy": "Never", "volumes": [{"name": "tmp", "emptyDir": {}}]}
    if "securityContext" in head["containers"][0]:
        container["securityContext"] = head["containers"][0]["securityContext"]
    if "securityContext" in head:
        pod["securityContext"] = head["securityContext"]
    if "imagePullSecrets" in head:
        pod["imagePullSecrets"] = head["imagePullSecrets"]
    return {**pod, "automountServiceAccountToken": False, "containers": [container]}


def _without_serve(config: Document) -> Document:
    """Nodes of a service are ready when Serve answers on them; without Serve, when they live."""
    made = copy.deepcopy(config)
    for group in made.get("workerGroupSpecs", []):
        container = group["template"]["spec"]["containers"][0]
        container.pop("readinessProbe", None)  # KubeRay has one for nodes without Serve
    return made


def _state(job: Document) -> str:
    state: str = job.get("status", {}).get("jobDeploymentStatus", "")
    return state


def _result(job: Document) -> str:
    result: str = job.get("status", {}).get("jobStatus", "")
    return result
