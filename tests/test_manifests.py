"""k8s/ builds, and is what Kubernetes, KubeRay, Ray Serve and sgen take; each of them refuses what is broken."""

# ruff: noqa: E501 (a table is read in rows)

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from manifests import ROOT, Document, Refused, build, can_build, check, clusters, pods, targets

pytestmark = pytest.mark.skipif(
    not can_build() and not os.environ.get("CI"), reason="neither kubectl nor kustomize is there to build k8s/"
)

OVERLAYS = ["gcs-ft", "gpu", "gpu-spot", "kind-cpu", "kueue"]
JOBS = ["jobs/batch", "jobs/film", "jobs/interactive", "jobs/train"]


def of_kind(documents: list[Document], kind: str, name: str | None = None) -> Document:
    return next(
        document for document in documents if document["kind"] == kind and name in (None, document["metadata"]["name"])
    )


def cluster_of(documents: list[Document]) -> Document:
    return next(cluster for document in documents for cluster in clusters(document))


def test_there_is_every_overlay_and_job() -> None:
    assert targets() == sorted(OVERLAYS + JOBS)


@pytest.mark.parametrize("target", OVERLAYS + JOBS)
def test_what_is_built_is_taken(target: str) -> None:
    documents = build(target)
    check(documents)
    names = [(document["kind"], document["metadata"]["name"]) for document in documents]
    assert len(names) == len(set(names))
    for document in documents:
        if document["kind"] not in ("Namespace", "ResourceFlavor", "ClusterQueue"):
            assert document["metadata"]["namespace"] == "sgen"


@pytest.mark.parametrize("target", OVERLAYS + JOBS)
def test_pods_of_ray_stop_slowly_have_shared_memory_and_live_in_what_they_may_write(target: str) -> None:
    for document in build(target):
        for cluster in clusters(document):
            for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
                pod = group["template"]["spec"]
                (container,) = pod["containers"]
                mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
                volumes = {volume["name"]: volume for volume in pod["volumes"]}
                assert pod["terminationGracePeriodSeconds"] >= 90
                assert volumes[mounts["/dev/shm"]]["emptyDir"]["medium"] == "Memory"
                assert "emptyDir" in volumes[mounts["/tmp"]]
                assert {"livenessProbe", "readinessProbe"} <= set(container)
                assert pod.get("automountServiceAccountToken", True) == (group is cluster["headGroupSpec"])


def test_the_head_does_no_work_and_gpus_come_from_none() -> None:
    cluster = cluster_of(build("gpu"))
    front, gpu = cluster["workerGroupSpecs"]
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert front["minReplicas"] >= 1 and gpu["minReplicas"] == gpu["replicas"] == 0 < gpu["maxReplicas"]
    assert cluster["enableInTreeAutoscaling"] and cluster["autoscalerOptions"]["version"] == "v2"


@pytest.mark.parametrize(("target", "expected"), [("gpu", "gpu"), ("gpu-spot", "gpu-spot")])
def test_rays_own_autoscaler_starts_a_gpu_pod_for_a_renderer_that_waits(target: str, expected: str) -> None:
    """The real translation of a RayCluster and the real scheduler of autoscaler v2, with one actor that wants a GPU."""
    from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr
    from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
    from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
    from ray.autoscaler.v2.utils import ResourceRequestUtil
    from ray.core.generated.autoscaler_pb2 import ResourceRequestByCount

    cluster = cluster_of(build(target))
    resource = {"metadata": {"name": "sgen", "namespace": "sgen"}, "spec": cluster}
    derived = _derive_autoscaling_config_from_ray_cr(resource)
    types = derived["available_node_types"]
    assert types["headgroup"]["resources"]["CPU"] == 0
    assert types["gpu"]["min_workers"] == 0 and types["gpu"]["resources"]["GPU"] == 1

    config = AutoscalingConfig(derived, skip_content_hash=True)
    wanted = ResourceRequestByCount(request=ResourceRequestUtil.make({"GPU": 1.0}), count=1)
    asked = SchedulingRequest(
        node_type_configs=config.get_node_type_configs(), max_num_nodes=config.get_max_num_nodes(),
        resource_requests=[wanted], disable_launch_config_check=True,
    )  # fmt: skip
    reply = ResourceDemandScheduler(None).schedule(asked)
    launched = {request.instance_type: request.count for request in reply.to_launch}
    assert launched.pop("front") == 2 and launched.pop("headgroup", 1) == 1
    assert launched == {expected: 1}
    assert not reply.infeasible_resource_requests


def test_network_policies_allow_names_to_be_looked_up_and_nothing_by_default() -> None:
    documents = build("gpu")
    nothing = of_kind(documents, "NetworkPolicy", "sgen-nothing")["spec"]
    assert nothing == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    (rule,) = of_kind(documents, "NetworkPolicy", "sgen-dns")["spec"]["egress"]
    assert {(port["protocol"], port["port"]) for port in rule["ports"]} == {("UDP", 53), ("TCP", 53)}
    assert all("networkPolicy" not in cluster for document in documents for cluster in clusters(document))


def test_a_laptop_needs_no_gpu_and_little() -> None:
    documents = build("kind-cpu")
    cpus = 0.0
    for document in documents:
        for pod in pods(document):
            for container in pod["containers"]:
                requests = container["resources"]["requests"]
                assert "nvidia.com/gpu" not in requests
                cpus += float(re.sub(r"m$", "e-3", requests["cpu"]))
    assert cpus + 0.2 <= 3  # the autoscaler's beside
    assert not [document for document in documents if document["kind"] == "PodDisruptionBudget"]


def test_a_job_is_ready_without_serve_and_has_the_pods_of_the_service() -> None:
    service, job = cluster_of(build("gpu")), cluster_of(build("jobs/film"))
    for mine, theirs in zip(job["workerGroupSpecs"], service["workerGroupSpecs"], strict=True):
        (own,), (other,) = mine["template"]["spec"]["containers"], theirs["template"]["spec"]["containers"]
        assert "8000" in str(other.pop("readinessProbe")) and "8000" not in str(own.pop("readinessProbe"))
    assert job == service


def test_programs_that_the_probes_call_are_in_the_image() -> None:
    called = set(re.findall(r"\b(bash|wget|curl|grep)\b", str([list(pods(document)) for document in build("gpu")])))
    dockerfile = (ROOT / "docker/Dockerfile").read_text()
    for program in called - {"bash", "grep"}:  # which every Debian has
        assert re.search(rf"\b{program}\b", dockerfile)


# Broken on purpose ----------------------------------------------------------------------------------------------------

Break = Callable[[list[Document]], Any]


def _container(documents: list[Document], group: int = 0) -> Document:
    container: Document = cluster_of(documents)["workerGroupSpecs"][group]["template"]["spec"]["containers"][0]
    return container


def _pod(documents: list[Document]) -> Document:
    pod: Document = cluster_of(documents)["workerGroupSpecs"][0]["template"]["spec"]
    return pod


def _head_env(documents: list[Document], **values: str) -> None:
    env = cluster_of(documents)["headGroupSpec"]["template"]["spec"]["containers"][0]["env"]
    env += [{"name": name, "value": value} for name, value in values.items()]


def _serve(documents: list[Document], change: Callable[[Document], Any]) -> None:
    spec = of_kind(documents, "RayService")["spec"]
    config = yaml.safe_load(spec["serveConfigV2"])
    change(config)
    spec["serveConfigV2"] = yaml.safe_dump(config)


def _job(documents: list[Document]) -> Document:
    spec: Document = of_kind(documents, "RayJob")["spec"]
    return spec


BROKEN: list[tuple[str, str, Break]] = [
    # KubeRay's schemas
    ("gpu", "rayClusterConfg", lambda d: of_kind(d, "RayService")["spec"].update(rayClusterConfg={})),
    ("gpu", "idleTimeout'", lambda d: cluster_of(d)["workerGroupSpecs"][1].update(idleTimeout=3)),
    ("gpu", "'8' is not of type 'integer'", lambda d: cluster_of(d)["workerGroupSpecs"][1].update(maxReplicas="8")),
    ("gpu", "'v3' is not one of", lambda d: cluster_of(d)["autoscalerOptions"].update(version="v3")),
    ("gpu", "'template' is a required property", lambda d: cluster_of(d)["headGroupSpec"].pop("template")),
    ("gpu", "'num-cpus'|0 is not of type", lambda d: cluster_of(d)["headGroupSpec"]["rayStartParams"].update({"num-cpus": 0})),
    ("jobs/film", "backofLimit", lambda d: _job(d).update(backofLimit=1)),
    ("jobs/interactive", "rayVersions", lambda d: cluster_of(d).update(rayVersions="2.60.0")),
    # Kubernetes' schemas, inside and outside of KubeRay's
    ("gpu", "'volumeMount' was unexpected", lambda d: _container(d).update(volumeMount=[])),
    ("gpu", "runAsNonRot", lambda d: _pod(d)["securityContext"].update(runAsNonRot=True)),
    ("gpu", "podSelectr", lambda d: of_kind(d, "NetworkPolicy")["spec"].update(podSelectr=of_kind(d, "NetworkPolicy")["spec"].pop("podSelector"))),
    ("gpu", "minAvailble", lambda d: of_kind(d, "PodDisruptionBudget")["spec"].update(minAvailble=1)),
    ("kind-cpu", "serviceName|service_name", lambda d: of_kind(d, "StatefulSet")["spec"].update(service_name="x")),
    ("kind-cpu", "PersistentVolumeClaim", lambda d: of_kind(d, "PersistentVolumeClaim")["spec"].update(accessModes="ReadWriteOnce")),
    ("kueue", "nominalQota", lambda d: of_kind(d, "ClusterQueue")["spec"]["resourceGroups"][0]["flavors"][0]["resources"][0].update(nominalQota=1)),
    # KubeRay's webhook
    ("gpu", "DNS-1035", lambda d: of_kind(d, "RayService")["metadata"].update(name="Sgen_1")),
    ("gpu", "DNS-1035", lambda d: of_kind(d, "RayService")["metadata"].update(name="s" * 48)),
    ("gpu", "rayStartParams and in `resources`", lambda d: cluster_of(d)["headGroupSpec"].update(resources={"CPU": "0"})),
    ("gpu", "labels belong", lambda d: cluster_of(d)["workerGroupSpecs"][0]["rayStartParams"].update(labels="a=b")),
    ("gpu", "label's value", lambda d: cluster_of(d)["workerGroupSpecs"][0]["labels"].update(a="b c")),
    ("gpu", "2.52", lambda d: cluster_of(d).pop("rayVersion")),
    ("gpu", "2.52", lambda d: cluster_of(d).update(rayVersion="2.40.0")),
    ("gpu", "restartPolicy", lambda d: _pod(d).update(restartPolicy="Always")),
    ("gpu", "beside RAY_enable_autoscaler_v2", lambda d: _head_env(d, RAY_enable_autoscaler_v2="1")),
    ("kueue", "without enableInTreeAutoscaling", lambda d: _head_env(d, RAY_enable_autoscaler_v2="1")),
    ("gpu", "suspended", lambda d: cluster_of(d)["workerGroupSpecs"][1].update(suspend=True)),
    ("gpu", "redisAddress", lambda d: _head_env(d, RAY_REDIS_ADDRESS="redis:6379")),
    ("gcs-ft", "ft-enabled", lambda d: of_kind(d, "RayService")["metadata"]["annotations"].update({"ray.io/ft-enabled": "true"})),
    ("gcs-ft", "external-storage-namespace", lambda d: of_kind(d, "RayService")["metadata"]["annotations"].update({"ray.io/external-storage-namespace": "x"})),
    ("gcs-ft", "redisPassword", lambda d: _head_env(d, REDIS_PASSWORD="x")),
    ("gcs-ft", "redisUsername", lambda d: _head_env(d, REDIS_USERNAME="x")),
    ("gpu", "upgradeStrategy", lambda d: of_kind(d, "RayService")["spec"]["upgradeStrategy"].update(type="Recreate")),
    ("gpu", "clusterUpgradeOptions", lambda d: of_kind(d, "RayService")["spec"]["upgradeStrategy"].update(type="NewClusterWithIncrementalUpgrade")),
    ("gpu", "initializing-timeout", lambda d: of_kind(d, "RayService")["metadata"]["annotations"].update({"ray.io/initializing-timeout": "soon"})),
    ("gpu", "headService", lambda d: cluster_of(d)["headGroupSpec"].update(headService={"metadata": {"name": "x"}})),
    ("jobs/film", "ttlSecondsAfterFinished", lambda d: _job(d).update(shutdownAfterJobFinishes=False)),
    ("jobs/film", "deletionRules", lambda d: _job(d).update(deletionStrategy={"deletionRules": [{"policy": "DeleteSelf", "condition": {"jobStatus": "FAILED"}}]})),
    ("jobs/film", "rayClusterSpec or clusterSelector", lambda d: _job(d).pop("rayClusterSpec")),
    ("jobs/film", "InteractiveMode", lambda d: _job(d).update(submissionMode="InteractiveMode")),
    ("jobs/film", "SidecarMode", lambda d: _job(d).update(submissionMode="SidecarMode")),
    ("jobs/film", "positive", lambda d: _job(d).update(activeDeadlineSeconds=0)),
    ("jobs/film", "suspended", lambda d: _job(d).update(suspend=True, shutdownAfterJobFinishes=False, ttlSecondsAfterFinished=0)),
    # Pod security
    ("gpu", "seccomp", lambda d: _pod(d)["securityContext"].pop("seccompProfile")),
    ("gpu", "root", lambda d: _pod(d)["securityContext"].update(runAsUser=0)),
    ("gpu", "host", lambda d: _pod(d).update(hostNetwork=True)),
    ("gpu", "volume of a kind", lambda d: _pod(d)["volumes"].append({"name": "x", "hostPath": {"path": "/"}})),
    ("gpu", "gain privileges", lambda d: _container(d)["securityContext"].pop("allowPrivilegeEscalation")),
    ("gpu", "capabilities", lambda d: _container(d)["securityContext"]["capabilities"].update(add=["NET_ADMIN"])),
    ("gpu", "writes into its image", lambda d: _container(d)["securityContext"].update(readOnlyRootFilesystem=False)),
    ("gpu", "no resources", lambda d: _container(d).pop("resources")),
    ("jobs/film", "ray-job-submitter keeps", lambda d: _job(d)["submitterPodTemplate"]["spec"]["containers"][0]["securityContext"].pop("capabilities")),
    # What pods name
    ("gpu", "does not have", lambda d: _container(d)["volumeMounts"].append({"name": "films", "mountPath": "/films"})),
    ("gpu", "no Secret sgen-db", lambda d: _container(d)["env"][0]["valueFrom"]["secretKeyRef"].update(name="sgen-db")),
    ("gpu", "no ConfigMap", lambda d: _container(d)["envFrom"][0]["configMapRef"].update(name="other")),
    ("gpu", "no ServiceAccount", lambda d: _pod(d).update(serviceAccountName="default")),
    ("kind-cpu", "no PersistentVolumeClaim", lambda d: d.remove(of_kind(d, "PersistentVolumeClaim", "sgen-store"))),
    ("gpu", "no Secret token", lambda d: cluster_of(d)["authOptions"].update(secretName="token")),
    # Serve's configuration and the application's own
    ("gpu", "Serve does not know", lambda d: _serve(d, lambda c: c.update(http={}))),
    ("gpu", "http_options.prt", lambda d: _serve(d, lambda c: c["http_options"].update(prt=1))),
    ("gpu", "applications.name_", lambda d: _serve(d, lambda c: c["applications"][0].update(name_="x"))),
    ("gpu", "deployments", lambda d: _serve(d, lambda c: c["applications"][0].update(deployments=[{"name": "Films", "num_replica": 1}]))),
    ("gpu", "import_path", lambda d: _serve(d, lambda c: c["applications"][0].update(import_path="sgen_ray.serving:nothing"))),
    ("gpu", "args", lambda d: _serve(d, lambda c: c["applications"][0]["args"].update(film=3))),
    ("gpu", "args", lambda d: _serve(d, lambda c: c["applications"][0]["args"].update(films=0))),
    ("gpu", "wants no keys", lambda d: _serve(d, lambda c: c["applications"][0].update(args={}))),
    # Entrypoints
    ("jobs/film", "no command", lambda d: _job(d).update(entrypoint="sgen film x")),
    ("jobs/film", "[Nn]o such option", lambda d: _job(d).update(entrypoint="sgen make x --second 3")),
    ("jobs/train", "encodr", lambda d: _job(d).update(entrypoint="sgen train encodr")),
]  # fmt: skip


@pytest.mark.parametrize(("target", "reason", "broken"), BROKEN, ids=[f"{t}-{r}" for t, r, _ in BROKEN])
def test_what_is_broken_is_refused(target: str, reason: str, broken: Break) -> None:
    documents = build(target)
    broken(documents)
    with pytest.raises(Refused, match=reason):
        check(documents)
