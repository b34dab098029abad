"""deployments/ and the runbook: what Serve and the service are told is known to them, and commands exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from manifests import ROOT, Refused, check_command, check_serve

CONFIGS = sorted(ROOT.glob("deployments/*.yaml"))
PAGES = ["docs/runbook.md", "docs/clusters.md", "k8s/README.md", "deployments/README.md", "docs/capacity.md"]


@pytest.mark.parametrize("path", CONFIGS, ids=[path.name for path in CONFIGS])
def test_a_serve_config_is_taken(path: Path) -> None:
    check_serve(yaml.safe_load(path.read_text()))


def test_there_is_one_for_a_machine_a_cluster_and_several_models() -> None:
    assert {path.name for path in CONFIGS} == {"local.yaml", "cluster.yaml", "models.yaml"}
    assert len(yaml.safe_load((ROOT / "deployments/models.yaml").read_text())["applications"]) == 2


def test_what_is_misspelt_is_refused() -> None:
    text = (ROOT / "deployments/cluster.yaml").read_text()
    for wrong, right in (("max_queues:", "max_queue:"), ("route_prefixes:", "route_prefix:"), ("hosts:", "host:")):
        with pytest.raises(Refused):
            check_serve(yaml.safe_load(text.replace(right, wrong, 1)))


def commands(page: str) -> list[str]:
    """The indented lines of a page that are commands, parts of a pipe by themselves."""
    found = []
    for line in (ROOT / page).read_text().splitlines():
        if line.startswith("    "):
            for part in re.split(r" \| ", line.strip()):
                part = re.sub(r"^(\w+=(\S*|\$\(.*\)) )+", "", part)
                inner = re.match(r"\w+=\$\((.*)\)$", part)
                found.append(inner[1] if inner else part)
    return found


KUBECTL = "apply create delete describe exec get logs patch port-forward wait".split()
RESOURCES = (
    "namespace pods rayjob rayservice rayservice/sgen secret service/sgen-head-svc service/sgen-serve-svc".split()
)


def check_line(line: str) -> None:
    """Raises Refused for a command that is not there, or not so."""
    words = shlex.split(re.sub(r"[<>] \S+$", "", line))
    if words[0] == "sgen":
        check_command(shlex.join(words))
    elif words[0].startswith("scripts/"):
        if not (ROOT / words[0]).stat().st_mode & 0o100:
            raise Refused(f"{words[0]} cannot be run")
        if words[0] == "scripts/manifests" and not any(
            (ROOT / "k8s" / p / words[1]).exists() for p in ("", "overlays")
        ):
            raise Refused(f"there is no overlay {words[1]}")
    elif words[0] == "kubectl":
        rest = words[3:] if words[1] == "--namespace" else words[1:]
        if rest[0] not in KUBECTL or (rest[0] in ("delete", "get", "patch", "wait") and rest[1] not in RESOURCES):
            raise Refused(f"kubectl {' '.join(rest[:2])}")
        if "--" in rest:
            inside = rest[rest.index("--") + 1 :]
            if inside[0] in ("sgen", "ray", "serve"):
                check_line(shlex.join(inside))
    elif words[0] in ("ray", "serve"):
        _check_ray(words)
    elif words[0] not in ("aws", "docker", "helm", "kind", "python", "openssl"):
        raise Refused(f"{words[0]} is unknown here")


def _check_ray(words: list[str]) -> None:
    import warnings

    import click

    with warnings.catch_warnings(action="ignore"):
        from ray.scripts.scripts import cli
        from ray.serve.scripts import cli as serve_cli

    command: click.Command = cli if words[0] == "ray" else serve_cli
    rest = words[1:]
    while isinstance(command, click.Group):
        name = rest.pop(0)
        if name not in command.commands:
            raise Refused(f"{words[0]} has no {name}")
        command = command.commands[name]
    try:
        command.make_context(words[0], rest)
    except click.ClickException as error:
        raise Refused(f"{' '.join(words)}: {error.format_message()}") from error


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_the_docs_exist(page: str) -> None:
    lines = [
        line
        for line in commands(page)
        if re.match(r"[a-z/]+ ", line) and " = " not in line and line.split()[0] not in ("head", "front", "gpu")
    ]
    assert lines
    for line in lines:
        check_line(line)


@pytest.mark.parametrize(
    "line",
    [
        "sgen resubmit x",
        "sgen gc --older 3d",
        "scripts/manifests gpus",
        "kubectl drop pods",
        "ray joblist",
        "serve deploy --confg x",
    ],
)
def test_commands_that_do_not_exist_are_refused(line: str) -> None:
    with pytest.raises(Refused):
        check_line(line)


def test_secrets_that_pods_want_are_made_in_the_runbook() -> None:
    from manifests import SECRETS

    text = (ROOT / "docs/runbook.md").read_text() + (ROOT / "k8s/README.md").read_text()
    assert all(f"`{name}`" in text or f"generic {name} " in text for name in SECRETS)
