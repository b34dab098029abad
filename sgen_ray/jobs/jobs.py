"""The durable record of every job: what people ask for, and what workers may write about it.

Nothing here runs a job. A worker claims one and gets a lease; every write of its own carries the lease's token and is
one compare-and-set, refused by `LeaseLost` when another worker has claimed the job since. Call `expire` now and then:
with it every job ends, whoever dies.
"""

from __future__ import annotations

from sgen_ray.jobs.events import ForEvents
from sgen_ray.jobs.flights import ForFlights
from sgen_ray.jobs.people import ForPeople
from sgen_ray.jobs.tenants import ForTenants
from sgen_ray.jobs.webhooks import ForWebhooks
from sgen_ray.jobs.workers import ForWorkers


class Jobs(ForPeople, ForWorkers, ForFlights, ForEvents, ForTenants, ForWebhooks):
    """The jobs in one database, for any number of threads and processes; each opens its own. Arguments as `Opened`."""
