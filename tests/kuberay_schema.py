"""Makes tests/data/kuberay.json out of KubeRay's CustomResourceDefinitions: what fields there are, of which types.

    python tests/kuberay_schema.py FOLDER_OF_CRDS VERSION > tests/data/kuberay.json

Strict: a field that the CRD does not know is refused, where the API server would drop it in silence. What is
Kubernetes' own (pod templates, environment, services) is a reference into the schemas of kubernetes-validate, which
leaves a few kilobytes of the CRDs' four megabytes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

KINDS = {"RayCluster": "rayclusters", "RayService": "rayservices", "RayJob": "rayjobs"}

_DEFINITIONS = "https://kubernetes.io/api/_definitions.json#/$defs/io.k8s."
_CORE = _DEFINITIONS + "api.core.v1."
_NETWORK = _DEFINITIONS + "api.networking.v1."
_OWN = {  # a field's name, and Kubernetes' type that it has
    "template": _CORE + "PodTemplateSpec",
    "submitterPodTemplate": _CORE + "PodTemplateSpec",
    "headService": _CORE + "Service",
    "serveService": _CORE + "Service",
    "securityContext": _CORE + "SecurityContext",
    "valueFrom": _CORE + "EnvVarSource",
    "env": _CORE + "EnvVar",
    "envFrom": _CORE + "EnvFromSource",
    "volumeMounts": _CORE + "VolumeMount",
    "egressRules": _NETWORK + "NetworkPolicyEgressRule",
    "ingressRules": _NETWORK + "NetworkPolicyIngressRule",
    "tls": _NETWORK + "IngressTLS",
}
_KEPT = ("type", "enum", "minimum", "maximum")


def strict(schema: dict[str, Any], name: str = "") -> dict[str, Any]:
    """The JSON schema of one field."""
    if name in _OWN:
        reference = {"$ref": _OWN[name]}
        return {"type": "array", "items": reference} if schema.get("type") == "array" else reference
    if name == "resources" and "properties" in schema:
        return {"$ref": _CORE + "ResourceRequirements"}
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    made = {key: schema[key] for key in _KEPT if key in schema}
    if "items" in schema:
        made["items"] = strict(schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        made["additionalProperties"] = strict(schema["additionalProperties"])
    properties = schema.get("properties")
    if properties is not None:
        made["properties"] = {key: strict(value, key) for key, value in properties.items()}
        made["additionalProperties"] = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
        required = [key for key in schema.get("required", ()) if "default" not in properties[key]]
        if required:
            made["required"] = required
    return made


def of_kind(crd: dict[str, Any]) -> dict[str, Any]:
    (version,) = (version for version in crd["spec"]["versions"] if version["name"] == "v1")
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return {
        "type": "object",
        "properties": {
            "apiVersion": {"const": "ray.io/v1"},
            "kind": {"const": crd["spec"]["names"]["kind"]},
            "metadata": {"$ref": _DEFINITIONS + "apimachinery.pkg.apis.meta.v1.ObjectMeta"},
            "spec": strict(spec),
        },
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": False,
    }


def main(folder: str, version: str) -> None:
    made: dict[str, Any] = {
        "about": f"Field names and types of KubeRay's CustomResourceDefinitions {version}"
        " (github.com/ray-project/kuberay, Apache-2.0), made by tests/kuberay_schema.py"
    }
    for kind, plural in KINDS.items():
        text = (Path(folder) / f"ray.io_{plural}.yaml").read_text()
        made[kind] = of_kind(yaml.load(text, yaml.CSafeLoader))
    print(json.dumps(made, separators=(",", ":"), sort_keys=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
