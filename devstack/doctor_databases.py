"""What the doctor looks at where there are several databases: each of them, and whether they fit together."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

from database.about import inspect_database
from database.migrate import AnotherSchema, require_schema
from database.sessions import connect
from database.several import OfSeveral, read_of_several
from devstack.doctor_database import role_check
from starter.checks import Check
from stockkeeper.contracts.errors import StockkeeperError

_WITHIN_SECONDS = 5
_NAMED = 5


@dataclass(frozen=True)
class Seen:
    """One of the databases.

    Attributes:
        check: Whether it answers, and has the right schema and role.
        told: What it tells; None: it doesn't answer, or has another schema.
    """

    check: Check
    told: OfSeveral | None = None


async def several_checks(
    urls: Mapping[str, str], role: str | None, queues: Sequence[str], *, is_ours: bool = False
) -> list[Check]:
    """Look at each of several databases, as a worker that follows a warehouse there does, and compare them.

    Args:
        urls: The setting ``STOCKKEEPER_DATABASE_URLS``, with the worker's own.
        role: The role that a worker acts as; None: the users in the URLs.
        queues: The setting ``STOCKKEEPER_DATABASES``; empty: there is one database.
        is_ours: Whether `stockkeeper up` has made them, whose workers log in as the owner.
    """
    if not queues:
        return []
    if missing := [queue for queue in queues if queue not in urls]:
        advice = (
            "set it for workers and the mover, each database in its own role; without it no warehouse can move, and "
            "the doctor looks at one database only (docs/several-databases.md)"
        )
        detail = f"STOCKKEEPER_DATABASE_URLS hasn't got {', '.join(missing)}"
        return [Check("database_urls", ok=True, detail=detail, advice=advice)]
    found = await asyncio.gather(*(asyncio.to_thread(_look, queue, urls[queue], role, is_ours) for queue in queues))
    seen = dict(zip(queues, found, strict=True))
    told = {queue: each.told for queue, each in seen.items() if each.told is not None}
    return [*(each.check for each in seen.values()), *judged_together(told, queues)]


def _look(queue: str, url: str, role: str | None, is_ours: bool) -> Seen:  # noqa: FBT001 - a private function
    name = f"database_{queue}"
    try:
        engine = connect(url, pool_size=1, within_seconds=_WITHIN_SECONDS, role=role, application_name="doctor")
    except StockkeeperError as error:
        return Seen(Check(name, ok=False, detail=str(error), advice="correct STOCKKEEPER_DATABASE_URLS"))
    try:
        facts = inspect_database(engine)
        revision = require_schema(engine)
        with engine.connect() as connection:
            told = read_of_several(connection)
    except AnotherSchema as error:
        what, _, advice = str(error).partition(": ")
        return Seen(Check(name, ok=False, detail=what, advice=advice))
    except StockkeeperError as error:
        advice = "start its PostgreSQL, or correct its URL in STOCKKEEPER_DATABASE_URLS"
        return Seen(Check(name, ok=False, detail=str(error), advice=advice))
    except DBAPIError as error:
        words = str(error.orig).strip().partition("\n")[0]
        advice = "give the doctor the URLs that a worker has: its role may read all tables of Stockkeeper"
        return Seen(Check(name, ok=False, detail=words, advice=advice))
    finally:
        engine.dispose()
    of_role = role_check(facts, is_ours=is_ours)
    detail = f"PostgreSQL {facts.version}, revision {revision}; {of_role.detail}"
    return Seen(Check(name, ok=of_role.ok, detail=detail, advice=of_role.advice), told)


def judged_together(told: Mapping[str, OfSeveral], queues: Sequence[str]) -> Iterator[Check]:
    """The checks of what several databases tell, by the task queues that the setting gives them.

    Args:
        told: What those tell that answer.
        queues: All of them, that of the catalogue's first.
    """
    yield _names(told, queues)
    yield _key_ranges(told)
    yield _homes(told)


def _names(told: Mapping[str, OfSeveral], queues: Sequence[str]) -> Check:
    wrong = []
    for queue, each in told.items():
        itself = each.several
        if itself is None:
            wrong.append(f"the database given for {queue} doesn't know that it is one of several")
        elif itself.task_queue != queue:
            wrong.append(f"the database given for {queue} is that of {itself.task_queue}")
        elif itself.catalogue != queues[0]:
            wrong.append(f"that of {queue} takes its catalogue from {itself.catalogue}, and not from {queues[0]}")
        elif queue != queues[0] and not itself.is_following:
            wrong.append(f"the catalogue isn't being replicated to {queue}")
    if wrong:
        advice = (
            "correct STOCKKEEPER_DATABASES and STOCKKEEPER_DATABASE_URLS, or run `stockkeeper setup --only database` "
            "with them; of a replication that has stopped, the log of that server says why"
        )
        return Check("database_names", ok=False, detail="; ".join(wrong), advice=advice)
    return Check("database_names", ok=True, detail=f"{', '.join(told)} are who the settings say")


def _key_ranges(told: Mapping[str, OfSeveral]) -> Check:
    wrong = [
        f"{queue} counts documents in ranges {', '.join(map(str, each.ranges))}"
        for queue, each in told.items()
        if len(each.ranges) > 1
    ]
    owners: dict[int, list[str]] = {}
    for queue, each in told.items():
        for of_range in each.ranges:
            owners.setdefault(of_range, []).append(queue)
    wrong += [
        f"{' and '.join(sharing)} count documents in the same range" for sharing in owners.values() if len(sharing) > 1
    ]
    if wrong:
        advice = (
            "run `stockkeeper setup --only database` with STOCKKEEPER_DATABASES and STOCKKEEPER_DATABASE_URLS, which "
            "gives each a range of its own; warehouses with documents that have the same keys by then can't move"
        )
        return Check("key_ranges", ok=False, detail="; ".join(wrong), advice=advice)
    return Check("key_ranges", ok=True, detail="each database counts its documents in a range of its own")


def _homes(told: Mapping[str, OfSeveral]) -> Check:
    moving = frozenset().union(*(each.moving for each in told.values()))
    places = {place for each in told.values() for place in each.places} - moving
    wrong = []
    for place in sorted(places):
        said = {queue: each.places.get(place) for queue, each in told.items()}
        if len(set(said.values())) > 1:
            wrong.append(
                f"warehouse {place} is kept by "
                + ", ".join(f"{home or 'nobody'} in {queue}'s directory" for queue, home in said.items())
            )
            continue
        [home] = set(said.values())
        wrong += [
            f"{queue} has stock of warehouse {place}, which {home} keeps"
            for queue, each in told.items()
            if place in each.stocked and queue != home
        ]
    if wrong:
        more = f"; and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        advice = (
            "directories differ for as long as replication is behind: see that it runs, and look again; stock in two "
            "databases is the work of another writer: compare both with `stockkeeper audit` before anything is sold"
        )
        return Check("warehouse_homes", ok=False, detail="; ".join(wrong[:_NAMED]) + more, advice=advice)
    on_a_move = f", and {len(moving)} on a move" if moving else ""
    return Check("warehouse_homes", ok=True, detail=f"each warehouse is kept by one database{on_a_move}")
