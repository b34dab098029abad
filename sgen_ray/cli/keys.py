"""`sgen keys`: who may use the service, and how much of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sgen_ray.cli import options as o

if TYPE_CHECKING:
    from sgen_ray.jobs.tenants import Key, Tenant

keys = typer.Typer(name="keys", no_args_is_help=True, help="API keys of the service's tenants, and their quotas.")


@keys.command()
def create(
    tenant: Annotated[str, typer.Argument(help="Whose key: a new name is a new tenant.", show_default=False)],
    name: Annotated[str, typer.Option(help="What the key is for.", show_default=False)] = "",
    share: Annotated[
        float | None, typer.Option(help="The tenant's share of the renderers beside others'.", show_default=False)
    ] = None,
    concurrent: Annotated[
        int | None, typer.Option(min=0, help="Jobs that it may have at once; 0: any number.", show_default=False)
    ] = None,
    seconds_a_day: Annotated[
        float | None,
        typer.Option("--seconds-a-day", min=0, help="Of film, by the day in UTC; 0: any.", show_default=False),
    ] = None,
    common_store: Annotated[
        bool | None,
        typer.Option(
            "--common-store/--own-store",
            help="Use what others have rendered, and let them use what it has; before its first job only.",
            show_default=False,
        ),
    ] = None,
    store: o.Store = None,
    database: o.Database = None,
    json: o.Json = False,
) -> None:
    """Make a key, which is shown this once. Options of the tenant stay as they are where they are not given.

    sgen keys create studio --name "Ada's laptop" --share 2 --concurrent 4 --seconds-a-day 3600
    """
    from sgen_ray.cli import show
    from sgen_ray.cli.jobs import opened

    with opened(store, database) as records:
        whose = records.set_tenant(
            tenant, share=share, concurrent=concurrent, seconds_a_day=seconds_a_day, common=common_store
        )
        key, token = records.create_key(tenant, name)
    if json:
        show.show_json({**_facts(key), "token": token, "limits": _limits(whose)})
    else:
        print(token)
        typer.echo(f"{key.id} of {tenant} ({_told(whose)}); keep it now, it is not shown again", err=True)


@keys.command("list")
def list_keys(
    tenant: Annotated[str | None, typer.Argument(show_default=False)] = None,
    store: o.Store = None,
    database: o.Database = None,
    json: o.Json = False,
) -> None:
    """List keys by how they begin, and the limits of their tenants.

    sgen keys list studio
    """
    from sgen_ray.cli import show
    from sgen_ray.cli.jobs import opened

    with opened(store, database) as records:
        found, whose = records.keys(tenant), {each.name: each for each in records.tenants()}
    if json:
        show.show_json({"keys": [{**_facts(key), "limits": _limits(whose[key.tenant])} for key in found]})
        return
    if not found:
        print("no keys yet; sgen keys create TENANT makes one")
        return
    for key in found:
        used = "never used" if key.last_used is None else f"used {key.last_used.astimezone():%Y-%m-%d %H:%M}"
        state = "revoked" if key.revoked else used
        print(f"{key.id}  {key.prefix}…  {key.tenant} ({_told(whose[key.tenant])})  {state}  {key.name}".rstrip())


@keys.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="As sgen keys list shows it.", show_default=False)],
    store: o.Store = None,
    database: o.Database = None,
    json: o.Json = False,
) -> None:
    """End a key, with the sessions and links that it gave; the service knows within five seconds.

    sgen keys revoke key_01k2x7m3qv9abcdefgh0
    """
    from sgen_ray.cli import show
    from sgen_ray.cli.jobs import opened

    with opened(store, database) as records:
        ended = records.revoke_key(key)
    if json:
        show.show_json(_facts(ended))
    else:
        print(f"{ended.id} of {ended.tenant} is revoked")


def _facts(key: Key) -> dict[str, Any]:
    return {
        "key": key.id,
        "tenant": key.tenant,
        "name": key.name,
        "prefix": key.prefix,
        "created": key.created.isoformat(),
        "last_used": None if key.last_used is None else key.last_used.isoformat(),
        "revoked": None if key.revoked is None else key.revoked.isoformat(),
    }


def _limits(tenant: Tenant) -> dict[str, Any]:
    return {
        "share": tenant.share,
        "concurrent": tenant.concurrent,
        "seconds_a_day": tenant.seconds_a_day,
        "common_store": tenant.common,
    }


def _told(tenant: Tenant) -> str:
    told = [f"share {tenant.share:g}"]
    if tenant.concurrent is not None:
        told.append(f"{tenant.concurrent} at once")
    if tenant.seconds_a_day is not None:
        told.append(f"{tenant.seconds_a_day:g} s a day")
    if tenant.common:
        told.append("common store")
    return ", ".join(told)
