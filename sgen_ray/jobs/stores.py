"""Where the artifacts of a tenant lie: each has a store of its own inside the one store, so that none finds, or is told
by how long a film takes, what another has made. The tenant "local" has the store itself."""

from __future__ import annotations

import re
from hashlib import sha256

LOCAL = "local"
FOLDER = "tenants"


def store_of(store: str, tenant: str) -> str:
    """A folder or URI for `Artifacts`. A name that a file system may not tell apart from another, or take for a path,
    is hashed."""
    if tenant == LOCAL:
        return store
    name = tenant if re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", tenant) else f"_{sha256(tenant.encode()).hexdigest()}"
    return inside(store, f"{FOLDER}/{name}")


def inside(store: str, path: str) -> str:
    """A URI keeps its options: s3://bucket/prefix?region=eu-west-1."""
    place, mark, options = store.partition("?") if "://" in store else (store, "", "")
    return f"{place.rstrip('/')}/{path}{mark}{options}"
