"""`sgen webhooks`: who is told when films end."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sgen_ray.cli import options as o

webhooks = typer.Typer(name="webhooks", no_args_is_help=True, help="Who is told when a tenant's films end.")

_EVENTS = ("video.completed", "video.failed")
EndpointId = Annotated[
    str, typer.Argument(metavar="WEBHOOK", help="As sgen webhooks list shows it.", show_default=False)
]
Private = Annotated[
    bool, typer.Option("--private", metavar="", help="Allow http and addresses that are not on the Internet.")
]


@webhooks.command()
def create(
    tenant: Annotated[str, typer.Argument(show_default=False)],
    url: Annotated[str, typer.Argument(show_default=False)],
    event: Annotated[
        list[str] | None,
        typer.Option(
            help="video.completed, video.failed (these by default) or video.awaiting_approval; may be said again.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="What it is for.", show_default=False)] = "",
    private: Private = False,
    store: o.Store = None,
    database: o.Database = None,
    json: o.Json = False,
) -> None:
    """Tell this URL when films of the tenant end. The secret that signs what is sent is shown this once.

    sgen webhooks create studio https://example.com/films
    """
    from sgen_ray.cli import show
    from sgen_ray.cli.jobs import opened
    from sgen_ray.errors import RequestError
    from sgen_ray.serving.addresses import Refused, check_url

    try:
        check_url(url, private=private)
    except Refused as refused:
        raise RequestError(str(refused)) from refused
    with opened(store, database) as records:
        made = records.add_endpoint(tenant, url, event or _EVENTS, name)
    if json:
        show.show_json({"webhook": made.id, "url": made.url, "events": list(made.events), "secret": made.secret})
    else:
        print(made.secret)
        typer.echo(f"{made.id} of {tenant}; keep the secret now, it is not shown again", err=True)


@webhooks.command("list")
def list_webhooks(
    tenant: Annotated[str | None, typer.Argument(show_default=False)] = None,
    store: o.Store = None,
    database: o.Database = None,
    json: o.Json = False,
) -> None:
    """List webhooks with their newest deliveries: taken, to be tried again, or given up after a day.

    sgen webhooks list studio
    """
    from sgen_ray.cli import show
    from sgen_ray.cli.jobs import opened

    with opened(store, database) as records:
        found = [(endpoint, records.deliveries(endpoint.id, 5)) for endpoint in records.endpoints(tenant)]
    if json:
        from sgen_ray.serving.webhooks import endpoint_of

        facts: list[dict[str, Any]] = [
            {"tenant": endpoint.tenant, **endpoint_of(endpoint, newest).model_dump()} for endpoint, newest in found
        ]
        show.show_json({"webhooks": facts})
        return
    if not found:
        print("no webhooks yet; sgen webhooks create TENANT URL makes one")
    for endpoint, newest in found:
        events = ", ".join(endpoint.events)
        print(f"{endpoint.id}  {endpoint.tenant}  {endpoint.url}  {events}  {endpoint.name}".rstrip())
        for delivery in newest:
            again = "" if delivery.due is None else f", again {delivery.due.astimezone():%Y-%m-%d %H:%M:%S}"
            state = "delivered" if delivery.delivered else "given up" if delivery.due is None else "waits"
            answer = f", {delivery.answer}" if delivery.answer else ""
            print(f"    {delivery.event} {delivery.job}: {state} after {delivery.attempts} tries{answer}{again}")


@webhooks.command()
def delete(webhook: EndpointId, store: o.Store = None, database: o.Database = None, json: o.Json = False) -> None:
    """End a webhook, with what is still to be delivered there.

    sgen webhooks delete we_01k2x7m3qv9abcdefgh0
    """
    from sgen_ray.cli import show
    from sgen_ray.cli.jobs import opened

    with opened(store, database) as records:
        records.remove_endpoint(webhook)
    if json:
        show.show_json({"webhook": webhook, "deleted": True})
    else:
        print(f"{webhook} is deleted")


@webhooks.command()
def test(
    webhook: EndpointId,
    event: Annotated[str, typer.Option(help="Which event is sent.")] = "video.completed",
    private: Private = False,
    store: o.Store = None,
    database: o.Database = None,
    json: o.Json = False,
) -> None:
    """Send an event of a film that does not exist, now and once, and tell what was answered.

    sgen webhooks test we_01k2x7m3qv9abcdefgh0
    """
    from sgen_ray.cli import show
    from sgen_ray.cli.jobs import opened
    from sgen_ray.errors import JobError
    from sgen_ray.serving.webhooks import try_out

    with opened(store, database) as records:
        endpoint = records.endpoint(webhook)
    answer = try_out(endpoint, event, private=private)
    if not answer.taken:
        raise JobError(f"{endpoint.url} did not take it: {answer.text}")
    if json:
        show.show_json({"webhook": webhook, "event": event, "status": answer.status})
    else:
        print(f"{endpoint.url} took {event}: {answer.text}")
