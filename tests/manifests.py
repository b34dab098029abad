"""Builds the overlays of k8s/ and checks them as the API server, KubeRay and Ray would, without any of them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml
from kubernetes_validate.utils import schema_contents
from referencing import Registry, Resource

ROOT = Path(__file__).parents[1]
KUBERNETES = "1.37"
Document = dict[str, Any]


class Refused(Exception):
    """Says why, as whoever refuses would."""


def targets() -> list[str]:
    """What scripts/manifests can print."""
    found = [*ROOT.glob("k8s/overlays/*/kustomization.yaml"), *ROOT.glob("k8s/jobs/*/kustomization.yaml")]
    return sorted(str(path.parent.relative_to(ROOT / "k8s")).removeprefix("overlays/") for path in found)


def can_build() -> bool:
    return bool(shutil.which("kubectl") or shutil.which("kustomize"))


@cache
def _built(target: str) -> str:
    made = subprocess.run([ROOT / "scripts/manifests", target], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return made.stdout


def build(target: str) -> list[Document]:
    """A fresh copy each time: tests break it."""
    return [document for document in yaml.load_all(_built(target), yaml.CSafeLoader) if document]


def check(documents: list[Document]) -> None:
    """Raises Refused for the first thing that somebody would refuse."""
    for document in documents:
        check_schema(document)
        if document["apiVersion"].startswith("ray.io/"):
            check_webhook(document)
        for pod in pods(document):
            check_restricted(pod)
        for command in entrypoints(document):
            check_command(command)
        if "serveConfigV2" in document.get("spec", {}):
            check_serve(yaml.safe_load(document["spec"]["serveConfigV2"]))
    check_references(documents)


# Schemas ----------------------------------------------------------------------------------------------------------


def check_schema(document: Document) -> None:
    group = document["apiVersion"].partition("/")[0]
    if group in ("ray.io", "kueue.x-k8s.io"):
        where = "kuberay" if group == "ray.io" else "kueue"
        error = jsonschema.exceptions.best_match(_custom(where, document["kind"]).iter_errors(document))
        if error is not None:
            raise Refused(f"{document['kind']} {'.'.join(map(str, error.absolute_path))}: {error.message[:400]}")
    else:
        _check_core(json.dumps(document, sort_keys=True))


@cache
def _check_core(text: str) -> None:
    document = json.loads(text)
    try:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        raise Refused(f"{document['kind']} {'.'.join(map(str, error.path))}: {error.message[:400]}") from error


@cache
def _custom(where: str, kind: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((ROOT / f"tests/data/{where}.json").read_text())[kind]
    definitions = schema_contents(f"kubernetes-json-schema/v{_schemas()}-local-strict/_definitions.json", KUBERNETES)
    registry: Registry[Any] = Resource.from_contents(definitions) @ Registry()
    return jsonschema.Draft202012Validator(schema, registry=registry)


def _schemas() -> str:
    versions: list[str] = kubernetes_validate.utils.all_versions()
    return next(version for version in reversed(versions) if version.startswith(KUBERNETES + "."))


# KubeRay's webhook and its checks before it acts (ray-operator/controllers/ray/utils/validation.go, v1.7) -----------


def check_webhook(document: Document) -> None:
    kind, spec = document["kind"], document["spec"]
    name = document["metadata"]["name"]
    longest = {"RayCluster": 63, "RayService": 47, "RayJob": 47}[kind]
    if len(name) > longest or not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name):
        raise Refused(f"{kind} {name}: a DNS-1035 label of at most {longest} characters")
    annotations = document["metadata"].get("annotations", {})
    match kind:
        case "RayCluster":
            _check_cluster(spec, annotations)
        case "RayService":
            _check_cluster(spec["rayClusterConfig"], annotations)
            _check_service(spec, annotations)
        case "RayJob":
            if "rayClusterSpec" in spec:
                _check_cluster(spec["rayClusterSpec"], annotations)
            _check_job(spec)


def _check_cluster(spec: Document, annotations: dict[str, str]) -> None:
    head, workers = spec["headGroupSpec"], spec.get("workerGroupSpecs", [])
    env = {item["name"]: item.get("value") for item in head["template"]["spec"]["containers"][0].get("env", [])}
    for group in (head, *workers):
        parameters = group.get("rayStartParams", {})
        name = group.get("groupName", "head")
        if group.get("resources") and {"num-cpus", "num-gpus", "memory", "resources"} & set(parameters):
            raise Refused(f"{name}: resources in rayStartParams and in `resources`")
        if "labels" in parameters:
            raise Refused(f"{name}: labels belong into `labels`, not into rayStartParams")
        if any(
            not re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?", value)
            for value in group.get("labels", {}).values()
        ):
            raise Refused(f"{name}: a label's value is not one of Kubernetes'")
    tolerant = "gcsFaultToleranceOptions" in spec
    if tolerant and annotations.get("ray.io/ft-enabled"):
        raise Refused("gcsFaultToleranceOptions beside the annotation ray.io/ft-enabled")
    if tolerant and annotations.get("ray.io/external-storage-namespace"):
        raise Refused("gcsFaultToleranceOptions beside the annotation ray.io/external-storage-namespace")
    if "RAY_REDIS_ADDRESS" in env:
        raise Refused("RAY_REDIS_ADDRESS instead of gcsFaultToleranceOptions.redisAddress")
    if tolerant and ("REDIS_PASSWORD" in env or head.get("rayStartParams", {}).get("redis-password")):
        raise Refused("a Redis password beside gcsFaultToleranceOptions.redisPassword")
    if "REDIS_USERNAME" in env or head.get("rayStartParams", {}).get("redis-username"):
        raise Refused("a Redis user outside gcsFaultToleranceOptions.redisUsername")
    scales, options = spec.get("enableInTreeAutoscaling", False), spec.get("autoscalerOptions", {})
    if not scales and env.get("RAY_enable_autoscaler_v2") in ("1", "true"):
        raise Refused("RAY_enable_autoscaler_v2 without enableInTreeAutoscaling")
    if scales and "version" in options and "RAY_enable_autoscaler_v2" in env:
        raise Refused("autoscalerOptions.version beside RAY_enable_autoscaler_v2")
    if any(group.get("suspend") for group in workers):
        raise Refused("a suspended worker group needs a feature gate, and no autoscaler")
    if scales and options.get("version") == "v2":
        for group in (head, *workers):
            if group["template"]["spec"].get("restartPolicy", "Never") != "Never":
                raise Refused("restartPolicy with autoscaler v2: unset, or Never")
    if spec.get("authOptions", {}).get("mode") == "token":
        version = re.match(r"(\d+)\.(\d+)", spec.get("rayVersion", ""))
        if version is None or (int(version[1]), int(version[2])) < (2, 52):
            raise Refused("token authentication needs rayVersion 2.52 or newer")


def _check_service(spec: Document, annotations: dict[str, str]) -> None:
    strategy = spec.get("upgradeStrategy", {})
    if strategy.get("type", "NewCluster") not in ("NewCluster", "NewClusterWithIncrementalUpgrade", "None"):
        raise Refused(f"upgradeStrategy.type {strategy['type']}")
    if spec["rayClusterConfig"]["headGroupSpec"].get("headService", {}).get("metadata", {}).get("name"):
        raise Refused("headService must have no name in a RayService")
    timeout = annotations.get("ray.io/initializing-timeout", "1m")
    if not re.fullmatch(r"[1-9]\d*(s|m|h)?", timeout):
        raise Refused(f"ray.io/initializing-timeout {timeout}")
    if strategy.get("type") == "NewClusterWithIncrementalUpgrade":
        options = strategy.get("clusterUpgradeOptions")
        if not spec["rayClusterConfig"].get("enableInTreeAutoscaling"):
            raise Refused("NewClusterWithIncrementalUpgrade needs the autoscaler")
        if options is None or not options["gatewayClassName"] or options["intervalSeconds"] <= 0:
            raise Refused("NewClusterWithIncrementalUpgrade needs its clusterUpgradeOptions")
        if not all(0 <= options.get(key, 100) <= 100 for key in ("maxSurgePercent", "stepSizePercent")):
            raise Refused("clusterUpgradeOptions: percents are from 0 to 100")


def _check_job(spec: Document) -> None:
    shuts, selector = spec.get("shutdownAfterJobFinishes", False), spec.get("clusterSelector", {})
    mode, deletion = spec.get("submissionMode", "K8sJobMode"), spec.get("deletionStrategy")
    if spec.get("suspend") and (not shuts or selector):
        raise Refused("a RayJob is suspended only with shutdownAfterJobFinishes and a cluster of its own")
    if spec.get("ttlSecondsAfterFinished", 0) < 0 or (spec.get("ttlSecondsAfterFinished") and not shuts):
        raise Refused("ttlSecondsAfterFinished without shutdownAfterJobFinishes")
    if deletion is not None:
        legacy = "onSuccess" in deletion and "onFailure" in deletion
        if legacy == bool(deletion.get("deletionRules")):
            raise Refused("deletionStrategy: either onSuccess and onFailure, or deletionRules")
        if deletion.get("deletionRules") and shuts:
            raise Refused("deletionRules beside shutdownAfterJobFinishes")
    if not selector and "rayClusterSpec" not in spec:
        raise Refused("either rayClusterSpec or clusterSelector")
    if selector and not selector.get("ray.io/cluster"):
        raise Refused("clusterSelector names no cluster")
    if mode == "SidecarMode" and (selector or "submitterPodTemplate" in spec or "submitterConfig" in spec):
        raise Refused("SidecarMode with a clusterSelector or a submitter of its own")
    if mode == "InteractiveMode" and spec.get("backoffLimit", 0) > 0:
        raise Refused("InteractiveMode with a backoffLimit")
    if spec.get("activeDeadlineSeconds", 1) <= 0 or spec.get("backoffLimit", 0) < 0:
        raise Refused("activeDeadlineSeconds and backoffLimit are positive")
    if "runtimeEnvYAML" in spec and not isinstance(yaml.safe_load(spec["runtimeEnvYAML"]), dict):
        raise Refused("runtimeEnvYAML is no YAML of a runtime environment")


# Pods ---------------------------------------------------------------------------------------------------------------


def clusters(document: Document) -> Iterator[Document]:
    spec = document.get("spec", {})
    match document["kind"]:
        case "RayCluster":
            yield spec
        case "RayService":
            yield spec["rayClusterConfig"]
        case "RayJob" if "rayClusterSpec" in spec:
            yield spec["rayClusterSpec"]


def pods(document: Document) -> Iterator[Document]:
    """The specs of all pods that come of it."""
    spec = document.get("spec", {})
    for cluster in clusters(document):
        for group in (cluster["headGroupSpec"], *cluster.get("workerGroupSpecs", [])):
            yield group["template"]["spec"]
    if "submitterPodTemplate" in spec:
        yield spec["submitterPodTemplate"]["spec"]
    if document["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job"):
        yield spec["template"]["spec"]


def check_restricted(pod: Document) -> None:
    """Kubernetes' Pod Security Standard `restricted`, and beyond it: a read-only root, limits, no token by accident."""
    own = pod.get("securityContext", {})
    if own.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        raise Refused("a pod without seccomp profile")
    if not own.get("runAsNonRoot") or own.get("runAsUser", 0) == 0:
        raise Refused("a pod that may run as root")
    if pod.get("hostNetwork") or pod.get("hostPID") or pod.get("hostIPC"):
        raise Refused("a pod in its host's namespaces")
    allowed = {"name", "emptyDir", "persistentVolumeClaim", "configMap", "secret", "projected"}
    if any(set(volume) - allowed for volume in pod.get("volumes", [])):
        raise Refused("a volume of a kind that is not allowed")
    for container in (*pod.get("initContainers", []), *pod["containers"]):
        name, context = container["name"], container.get("securityContext", {})
        if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
            raise Refused(f"{name} may gain privileges")
        if context.get("capabilities", {}).get("drop") != ["ALL"] or context["capabilities"].get("add"):
            raise Refused(f"{name} keeps capabilities")
        if not context.get("readOnlyRootFilesystem"):
            raise Refused(f"{name} writes into its image")
        if not {"cpu", "memory"} <= set(container.get("resources", {}).get("requests", {})):
            raise Refused(f"{name} asks for no resources")
        if "memory" not in container["resources"].get("limits", {}):
            raise Refused(f"{name} has no limit of memory")
        mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
        unknown = mounted - {volume["name"] for volume in pod.get("volumes", [])}
        if unknown - {"data"}:  # of a StatefulSet's own claims
            raise Refused(f"{name} mounts {', '.join(sorted(unknown))}, which the pod does not have")


# Commands and configuration -----------------------------------------------------------------------------------------


def entrypoints(document: Document) -> Iterator[str]:
    if document["kind"] == "RayJob":
        yield document["spec"]["entrypoint"]


def check_command(line: str) -> None:
    """`sgen ...`: the command exists, with these options and values."""
    import shlex

    import typer

    from sgen_ray.cli.app import app

    program, name, *arguments = shlex.split(line)
    if program != "sgen":
        raise Refused(f"{program} is not sgen")
    group: Any = typer.main.get_command(app)
    command = group.commands.get(name)
    if command is None:
        raise Refused(f"there is no command sgen {name}")
    try:
        command.make_context(name, arguments)
    except typer.TyperException as error:
        raise Refused(f"sgen {name}: {error.format_message()}") from error


def check_serve(config: Document) -> None:
    """Ray's own schema, with unknown keys refused, and what our application is given."""
    import warnings

    from pydantic import BaseModel, ValidationError

    with warnings.catch_warnings(action="ignore"):  # Ray's own, at its import
        from ray.serve.schema import ServeDeploySchema

    def unknown(model: type[BaseModel], given: Document, where: str) -> None:
        for key, value in given.items():
            if key not in model.model_fields:
                raise Refused(f"{where}{key}: Serve does not know it")
            for inner in _models(model.model_fields[key].annotation):
                for item in value if isinstance(value, list) else [value]:
                    if isinstance(item, dict):
                        unknown(inner, item, f"{where}{key}.")

    try:
        ServeDeploySchema.model_validate(config)
    except (ValidationError, ValueError) as error:
        raise Refused(str(error)) from error
    unknown(ServeDeploySchema, config, "")
    listens = config.get("http_options", {}).get("host", "127.0.0.1")
    for application in config["applications"]:
        check_application(application, listens)


def check_application(application: Document, listens: str) -> None:
    from pydantic import ValidationError

    from sgen_ray.serving.settings import Settings

    try:
        settings = Settings(**application.get("args", {}))
    except ValidationError as error:
        raise Refused(f"args: {error}") from error
    if listens != "127.0.0.1" and not settings.keys_wanted:
        raise Refused(f"args: listens on {listens} and wants no keys")
    module, _, name = application["import_path"].partition(":")
    try:
        getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise Refused(f"import_path: {error}") from error


def _models(annotation: Any) -> list[Any]:
    """The pydantic models that a field may hold."""
    from typing import get_args

    from pydantic import BaseModel

    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for inner in get_args(annotation) for model in _models(inner)]


# References ---------------------------------------------------------------------------------------------------------

SECRETS = {"sgen-database", "sgen-ray-token", "sgen-s3", "sgen-redis"}
"""Those that the runbook has made by hand."""


def check_references(documents: list[Document]) -> None:
    """What pods name is there, or is a secret that the runbook makes."""
    there = {(document["kind"], document["metadata"]["name"]) for document in documents}
    there |= {("Secret", name) for name in SECRETS}
    for document in documents:
        for pod in pods(document):
            for kind, name in _named(pod):
                if (kind, name) not in there:
                    raise Refused(f"{document['kind']} {document['metadata']['name']}: there is no {kind} {name}")
        for cluster in clusters(document):
            secret = cluster.get("authOptions", {}).get("secretName")
            if ("Secret", secret) not in there:
                raise Refused(f"authOptions: there is no Secret {secret}")


def _named(pod: Document) -> Iterator[tuple[str, str]]:
    yield "ServiceAccount", pod["serviceAccountName"]
    for volume in pod.get("volumes", []):
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
    for container in pod["containers"]:
        for source in container.get("envFrom", []):
            yield "ConfigMap", source["configMapRef"]["name"]
        for item in container.get("env", []):
            if "secretKeyRef" in item.get("valueFrom", {}):
                yield "Secret", item["valueFrom"]["secretKeyRef"]["name"]
