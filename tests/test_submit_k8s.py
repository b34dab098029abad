"""`sgen submit --k8s`: RayJobs that KubeRay takes, and the real kubectl against a small API server."""

from __future__ import annotations

import copy
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from manifests import Document, Refused, build, can_build, check_command, check_restricted, check_schema, check_webhook
from toy_kubernetes import ToyKubernetes, serving

from sgen_ray.cli.kube_k8s import ray_job
from sgen_ray.cli.kube_lines import Made, to_line
from sgen_ray.cli.main import main
from sgen_ray.engine.events import FilmStarted, JobRecorded, WindowFinished
from sgen_ray.errors import EngineError

pytestmark = pytest.mark.skipif(not can_build(), reason="neither kubectl nor kustomize is there")
needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not there")

FILM = os.urandom(50_000)
MADE = Made("job_1", "f", len(FILM), hashlib.sha256(FILM).hexdigest(), {"job": "job_1", "seconds": 2.0})
SAID = [
    to_line(JobRecorded("job_1")),
    to_line(FilmStarted(1, 2, 1, 1, "cuda", 0, 0)),
    to_line(WindowFinished(0, 0, 2.0)),
]


def service() -> Document:
    """That of the overlay `gpu`, running."""
    found = next(document for document in build("gpu") if document["kind"] == "RayService")
    return {**copy.deepcopy(found), "status": {"activeServiceStatus": {"rayClusterName": "sgen-x2k4p"}}}


@pytest.mark.parametrize("own_cluster", [False, True])
def test_kuberay_takes_the_job_and_its_pods_keep_to_the_namespaces_standard(own_cluster: bool) -> None:
    job = ray_job(service(), "sgen-0123456789abcdef", "sgen make 'a red car' --key x --lines", own_cluster=own_cluster)
    check_schema(job)
    check_webhook(job)
    check_command(job["spec"]["entrypoint"])
    submitter = job["spec"]["submitterPodTemplate"]["spec"]
    check_restricted(submitter)
    assert submitter["containers"][0]["image"] == "registry.example/sgen-ray:0.1.0-cuda"
    assert job["spec"]["backoffLimit"] >= 1
    if own_cluster:
        groups = job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
        assert all("8000/-/healthz" not in str(group) for group in groups)  # nodes without Serve would never be ready
    else:
        assert job["spec"]["clusterSelector"] == {"ray.io/cluster": "sgen-x2k4p"}
    job["spec"]["clusterSelectors"] = {}
    with pytest.raises(Refused):
        check_schema(job)


def test_a_service_without_a_cluster_is_told() -> None:
    with pytest.raises(EngineError, match="no cluster yet; wait, or use --own-cluster"):
        ray_job({**service(), "status": {}}, "x", "sgen make x", own_cluster=False)


class Toy:
    """KubeRay, as far as these tests see it: a RayJob runs at once, and ends with its log."""

    def __init__(self, folder: Path, ends: str = "SUCCEEDED", said: list[str] | None = None) -> None:
        self.ends, self.said = ends, [*SAID, to_line(MADE)] if said is None else said
        self.ran: list[list[str]] = []
        self.kubernetes = ToyKubernetes(made=self.made, log=self.log, run=self.run)
        self.kubernetes.objects["rayservices", "sgen"] = service()
        labels = {"ray.io/cluster": "sgen-x2k4p", "ray.io/node-type": "head"}
        self.kubernetes.objects["pods", "head"] = self.pod("head", "ray-head", labels)

    def pod(self, name: str, container: str, labels: dict[str, str]) -> Document:
        metadata = {"name": name, "namespace": "sgen", "labels": labels}
        spec = {"containers": [{"name": container, "image": "x"}]}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Running"}}

    def made(self, job: Document) -> None:
        name = job["metadata"]["name"]
        job["status"] = {"jobDeploymentStatus": "Running", "jobStatus": "RUNNING", "rayClusterName": "sgen-x2k4p"}
        submits = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": "sgen"}}
        selector = {"matchLabels": {"job-name": name}}
        self.kubernetes.objects["jobs", name] = {**submits, "spec": {"selector": selector, "template": {}}}
        self.kubernetes.objects["pods", "submitter"] = self.pod("submitter", "ray-job-submitter", {"job-name": name})
        self.job = job

    def log(self) -> Iterator[str]:
        yield from self.said
        state = "Complete" if self.ends == "SUCCEEDED" else "Failed"
        self.job["status"] |= {"jobDeploymentStatus": state, "jobStatus": self.ends, "message": "exit code 2"}

    def run(self, words: list[str]) -> bytes:
        self.ran.append(words)
        return FILM


LINE = ["submit", "a red car in the desert", "--seconds", "2", "--k8s"]


@needs_kubectl
def test_a_film_is_made_by_a_rayjob_and_brought_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    toy = Toy(tmp_path)
    with serving(toy.kubernetes, tmp_path) as config:
        monkeypatch.setenv("KUBECONFIG", str(config))
        assert main([*LINE, "-o", str(tmp_path / "car.mp4")]) == 0, capsys.readouterr().err
        told = capsys.readouterr()
        assert "1 windows on 1 cuda renderer" in told.err and "job job_1" in told.out
        assert (tmp_path / "car.mp4").read_bytes() == FILM
        assert toy.ran == [["sgen", "fetch", "job_1", "-o", "-"]]
        created = [line for line in toy.kubernetes.asked if line.startswith("POST ") and line.endswith("/rayjobs")]
        # The same again finds the job that is done.
        assert main([*LINE, "-o", str(tmp_path / "again.mp4")]) == 0
        assert (tmp_path / "again.mp4").read_bytes() == FILM and len(created) == 1
        assert [line for line in toy.kubernetes.asked if line.endswith("/rayjobs")] == created


@needs_kubectl
def test_a_job_that_fails_says_why_and_may_be_submitted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    toy = Toy(tmp_path, "FAILED", [*SAID, "error: the model 'nano' is broken; install it again"])
    with serving(toy.kubernetes, tmp_path) as config:
        monkeypatch.setenv("KUBECONFIG", str(config))
        assert main([*LINE, "--wait", "--quiet"]) == 2
        assert capsys.readouterr().err == "error: the model 'nano' is broken; install it again\n"
        toy.ends, toy.said = "SUCCEEDED", [*SAID, to_line(MADE)]
        assert main([*LINE, "--wait", "--quiet"]) == 0


@needs_kubectl
def test_ctrl_c_deletes_the_rayjob(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    toy.log = lambda: iter([])  # type: ignore[method-assign]
    toy.kubernetes.log = toy.log
    with serving(toy.kubernetes, tmp_path) as config:
        env = {**os.environ, "KUBECONFIG": str(config)}
        line = [sys.executable, "-m", "sgen_ray.cli.main", *LINE, "--wait"]
        with subprocess.Popen(line, env=env, stderr=subprocess.PIPE, text=True) as process:
            deadline = time.monotonic() + 60
            while not any(asked.endswith("/log") for asked in toy.kubernetes.asked):
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            said = process.stderr.read()
        assert process.returncode == 130 and "the same command again goes on" in said
        assert not [name for plural, name in toy.kubernetes.objects if plural == "rayjobs"]


@needs_kubectl
def test_a_dry_run_prints_the_job_and_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    toy = Toy(tmp_path)
    with serving(toy.kubernetes, tmp_path) as config:
        monkeypatch.setenv("KUBECONFIG", str(config))
        assert main([*LINE, "--dry-run", "--own-cluster"]) == 0
        check_schema(yaml.safe_load(capsys.readouterr().out))
        assert not [name for plural, name in toy.kubernetes.objects if plural == "rayjobs"]
        assert main([*LINE, "--service", "films"]) == 2
        assert (
            capsys.readouterr().err
            == "error: there is no RayService films in the namespace sgen; name it with --service\n"
        )
