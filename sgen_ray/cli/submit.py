"""`sgen submit`: a film is made elsewhere; `following` goes on with it.

Where it is made is one option group, `remote.WHERE`: each of its options names one kind of target, and `_target` picks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from sgen_ray.cli import options as o
from sgen_ray.cli import remote
from sgen_ray.cli.following import Detach, Output, Preview, Wait, go_on, manner_of, told_shots
from sgen_ray.cli.wanted import Manner, Target, Wanted
from sgen_ray.errors import RequestError

OwnSeed = Annotated[int | None, typer.Option(help="Another seed, another film.", show_default=False)]
OwnSteps = Annotated[int | None, typer.Option(help="Sampler steps a window.", show_default=False)]
OwnGuidance = Annotated[float | None, typer.Option(help="How closely the plan follows.", show_default=False)]
TheirModel = Annotated[str | None, typer.Option(help="A model of the service, as it lists them.", show_default=False)]
Picture = Annotated[
    Path | None, typer.Option(help="A picture (PNG, JPEG, WebP) that the film begins with.", show_default=False)
]


def submit(
    prompt: o.Prompt = None,
    shots: o.Shots = None,
    seconds: o.Seconds = None,
    size: o.Size = None,
    fps: o.Fps = None,
    seed: OwnSeed = None,
    steps: OwnSteps = None,
    plan_steps: o.PlanSteps = None,
    guidance: OwnGuidance = None,
    negative: o.Negative = "",
    model: TheirModel = None,
    image: Picture = None,
    approve: Annotated[
        bool, typer.Option("--approve", metavar="", help="Stop when the plan is made; sgen approve goes on.")
    ] = False,
    server: remote.Server = None,
    ray: remote.RayAddress = None,
    k8s: remote.Kubernetes = False,
    namespace: remote.Namespace = "sgen",
    service: remote.ServiceName = "sgen",
    own_cluster: remote.OwnCluster = False,
    dry_run: remote.DryRun = False,
    wait: Wait = False,
    detach: Detach = False,
    output: Output = None,
    preview: Preview = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Have a film made elsewhere: by a service, as a job of a Ray cluster, or as a RayJob on Kubernetes.

    sgen submit "An astronaut walking on Mars" --server http://127.0.0.1:8000 -o mars.mp4

    sgen submit --shots story.yaml --approve --wait

    sgen submit "A boat sailing at night" --ray http://127.0.0.1:8265 -o boat.mp4

    sgen submit "A boat sailing at night" --k8s --namespace sgen -o boat.mp4
    """
    wishes = {
        "seconds": seconds, "size": size, "fps": fps, "seed": seed, "steps": steps, "plan_steps": plan_steps,
        "guidance": guidance, "negative_prompt": negative or None, "model": model, "approve": approve or None,
        "input_reference": image,
    }  # fmt: skip
    wanted = Wanted(prompt, shots, {name: value for name, value in wishes.items() if value is not None})
    target = _target(server, ray, k8s, namespace, service, own_cluster, dry_run)
    target.submit(wanted, manner_of(wait, detach, output, preview, json, quiet))


def _target(
    server: str | None, ray: str | None, k8s: bool, namespace: str, service: str, own_cluster: bool, dry_run: bool
) -> Target:
    from sgen_ray.cli.kube_k8s import OnKubernetes
    from sgen_ray.cli.kube_ray import OnRay

    if ray is not None and k8s:
        raise typer.BadParameter("either --ray or --k8s", param_hint="'--ray'")
    if ray is not None:
        return OnRay(ray)
    return OnKubernetes(namespace, service, own_cluster, dry_run) if k8s else Service(server)


@dataclass(frozen=True)
class Service:
    """A running `sgen serve`."""

    server: str | None

    def submit(self, wanted: Wanted, manner: Manner) -> None:
        image = wanted.wishes.get("input_reference")
        if image is not None and not image.is_file():
            raise RequestError(f"{image} does not exist; check the path of the picture")
        wishes = wanted.wishes | ({} if wanted.shots is None else {"shots": told_shots(wanted.shots)})
        with remote.talking(self.server) as client:
            video = client.videos.create(wanted.prompt, **wishes)
            go_on(client, video, manner)
