"""Whose turn it is: a pure function of how tenants stand, which `Jobs.claim` acts on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Standing:
    """A tenant that has a job to be claimed: jobs at work, its last claim and its oldest job that waits."""

    tenant: str
    running: int
    last_claim: datetime | None
    oldest: datetime


def claim_order(standings: Sequence[Standing], now: datetime, shares: Mapping[str, float] | None = None) -> list[str]:
    """Tenants in the order in which they may claim next; `shares` are their weights, 1 where none is given.

    First who has the least at work for its share. Among equals, who has waited longest since its last claim, times its
    share: with a single worker nobody has anything at work, and tenants take turns, however long the queue of one is.
    """

    def rank(standing: Standing) -> tuple[float, float, datetime, str]:
        share = (shares or {}).get(standing.tenant, 1.0)
        since = float("inf") if standing.last_claim is None else (now - standing.last_claim).total_seconds() * share
        return standing.running / share, -since, standing.oldest, standing.tenant

    return [standing.tenant for standing in sorted(standings, key=rank)]
