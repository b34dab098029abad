"""Characters and products that a tenant keeps by name, to be used in any prompt as @name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from sgen_ray.errors import JobError, RequestError, UnknownJob
from sgen_ray.jobs.opened import Opened
from sgen_ray.jobs.records import new_id, one_line
from sgen_ray.jobs.tenant_tables import characters

MOST = 100
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}", re.ASCII)
_USED = re.compile(rf"(?<![\w@])@({NAME.pattern})", re.ASCII)


@dataclass(frozen=True)
class Character:
    """`description` stands in prompts for @name."""

    id: str
    tenant: str
    name: str
    description: str
    created: datetime


class ForCharacters(Opened):
    def add_character(self, tenant: str, name: str, description: str) -> Character:
        """A character of that name, in place of an earlier one.

        Raises:
            RequestError: the name cannot be used in a prompt. JobError: there are too many.
        """
        if NAME.fullmatch(name) is None:
            raise RequestError(
                "a character's name is a letter and up to 39 letters, digits, - or _, to be used as @name"
            )
        now = self._clock()
        values = {"id": new_id(now, "char"), "tenant": tenant, "name": name.lower(), "description": description,
                  "created": now}  # fmt: skip
        own = characters.c.tenant == tenant
        with self._db.write() as connection:
            connection.execute(sa.delete(characters).where(own, characters.c.name == values["name"]))
            count = connection.scalar(sa.select(sa.func.count()).select_from(characters).where(own)) or 0
            if count >= MOST:
                raise JobError(f"{MOST} characters are kept already; delete one first")
            row = connection.execute(sa.insert(characters).values(values).returning(*characters.c)).one()
        return Character(**row._mapping)

    def characters(self, tenant: str) -> tuple[Character, ...]:
        """By name."""
        query = sa.select(characters).where(characters.c.tenant == tenant).order_by(characters.c.name)
        with self._db.read() as connection:
            return tuple(Character(**row._mapping) for row in connection.execute(query))

    def character(self, character_id: str, *, tenant: str) -> Character:
        for found in self.characters(tenant):
            if found.id == character_id:
                return found
        raise _unknown(character_id)

    def remove_character(self, character_id: str, *, tenant: str) -> None:
        chosen = sa.and_(characters.c.id == character_id, characters.c.tenant == tenant)
        with self._db.write() as connection:
            if not connection.execute(sa.delete(characters).where(chosen)).rowcount:
                raise _unknown(character_id)

    def spoken(self, text: str, *, tenant: str) -> str:
        """A prompt with what its @names stand for.

        Raises:
            RequestError: there is no such character.
        """
        if "@" not in text:
            return text
        known = {character.name: character.description for character in self.characters(tenant)}

        def words(match: re.Match[str]) -> str:
            name = match[1].lower()
            if name not in known:
                there = ", ".join(f"@{name}" for name in known) or "none yet"
                raise RequestError(f"there is no character @{match[1]}; there are: {there}")
            return known[name]

        return _USED.sub(words, text)


def _unknown(character_id: str) -> UnknownJob:
    return UnknownJob(f"there is no character {one_line(character_id, 40)}; list those that there are")
