"""What the doctor looks at in the database."""

import asyncio
from collections.abc import Iterator, Sequence

from sqlalchemy import Engine

from database.about import WORKER_ROLE, Facts, inspect_database
from database.events import Log, look_at_log
from database.homes import Several, read_several
from database.migrate import AnotherSchema, require_schema
from database.sessions import connect
from starter.checks import Check, Reading
from stockkeeper.contracts.errors import StockkeeperError, Unreachable

OLDEST = 14
EVENTS_WAIT_SECONDS = 60
_WITHIN_SECONDS = 5


async def database_checks(
    url: str, role: str | None, *, connections: int, is_ours: bool, task_queue: str, queues: Sequence[str] = ()
) -> list[Check]:
    """Look at the database as a worker does.

    Args:
        url: The worker's.
        role: The role that it acts as; None: the user in the URL.
        connections: How many a worker takes.
        is_ours: Whether `stockkeeper up` has made it, whose worker logs in as the owner.
        task_queue: The worker's task queue.
        queues: Those of all databases, that of the catalogue first; empty: there is one database.
    """
    if not url:
        advice = "give the doctor the environment of a worker, or run it where `stockkeeper up` runs"
        return [Check("database", ok=False, detail="DATABASE_URL isn't set", advice=advice)]
    try:
        engine = connect(url, pool_size=1, within_seconds=_WITHIN_SECONDS, role=role, application_name="doctor")
    except StockkeeperError as error:
        return [Check("database", ok=False, detail=str(error))]
    try:
        return await asyncio.to_thread(_look, engine, connections, is_ours, task_queue, queues)
    finally:
        engine.dispose()


def _look(
    engine: Engine,
    connections: int,
    is_ours: bool,  # noqa: FBT001 - a private function
    task_queue: str,
    queues: Sequence[str],
) -> list[Check]:
    try:
        facts = inspect_database(engine)
    except Unreachable as error:
        advice = "start PostgreSQL, or correct DATABASE_URL and STOCKKEEPER_DATABASE_ROLE"
        return [Check("database", ok=False, detail=str(error), advice=advice)]
    schema = _schema(engine)
    further: list[Check] = []
    if schema.ok:
        with engine.connect() as connection:
            further = [judged_log(look_at_log(connection))]
            further += judged_several(read_several(connection), task_queue, queues)
    return [*judged(facts, connections=connections, is_ours=is_ours), schema, *further]


def judged_log(log: Log) -> Check:
    """The check of events: whether those that are committed get their numbers."""
    kept = f"{log.kept:,} kept" if log.kept else "none kept"
    detail = f"number {log.last} is the last, {kept}"
    if log.waiting:
        detail += f"; {log.waiting:,} wait for a number, the first for {log.oldest_seconds:.0f} s"
    if log.oldest_seconds > EVENTS_WAIT_SECONDS:
        advice = "let a worker run: each one numbers events (docs/runbook.md#stockkeepereventswait)"
        return Check("events", ok=False, detail=detail, advice=advice)
    return Check("events", ok=True, detail=detail)


def judged_several(found: Several | None, task_queue: str, queues: Sequence[str]) -> Iterator[Check]:
    """The check of a database that is one of several, or should be; none where there is one.

    Args:
        found: What it says of itself; None: that it is the only one.
        task_queue: The worker's task queue.
        queues: The setting ``STOCKKEEPER_DATABASES``.
    """
    if found is None and not queues:
        return
    advice = "make directory, replication and STOCKKEEPER_DATABASES fit (docs/several-databases.md)"
    if wrong := _unfit(found, task_queue, queues):
        yield Check("databases", ok=False, detail=wrong, advice=advice)
    elif found is not None:
        keeps = "keeps the catalogue" if found.task_queue == found.catalogue else f"follows that of {found.catalogue}"
        yield Check("databases", ok=True, detail=f"{found.task_queue} of {', '.join(queues)}, which {keeps}")


def _unfit(found: Several | None, task_queue: str, queues: Sequence[str]) -> str:
    """What doesn't fit; empty: everything does."""
    if found is None:
        return f"STOCKKEEPER_DATABASES is {','.join(queues)}, and the database doesn't know that it is one of several"
    if not queues:
        return f"the database is {found.task_queue}, one of several, and STOCKKEEPER_DATABASES isn't set"
    if found.task_queue != task_queue:
        return f"the database is that of task queue {found.task_queue}, and the worker's is {task_queue}"
    if found.catalogue != queues[0]:
        return f"{found.catalogue} keeps the catalogue, and STOCKKEEPER_DATABASES begins with {queues[0]}"
    if strange := sorted(found.homes - set(queues)):
        return f"warehouses are kept in {', '.join(strange)}, which STOCKKEEPER_DATABASES hasn't got"
    if found.task_queue != found.catalogue and not found.is_following:
        return f"the catalogue of {found.catalogue} isn't being replicated to here"
    return ""


def judged(facts: Facts, *, connections: int, is_ours: bool) -> Iterator[Check]:
    """The checks of what a database tells of itself; the arguments are those of `database_checks`."""
    yield _database(facts)
    yield role_check(facts, is_ours=is_ours)
    yield _durability(facts)
    yield _connections(facts, connections)
    yield Reading.of(facts.clock, asked=facts.asked, answered=facts.answered).check("database_clock", "PostgreSQL")


def _database(facts: Facts) -> Check:
    found = f"PostgreSQL {facts.version}, database {facts.database} as {facts.logged_in_as}"
    if facts.is_standby:
        advice = "let DATABASE_URL lead to the primary server"
        return Check("database", ok=False, detail=f"{found}: a standby, which takes no writes", advice=advice)
    if facts.version_number < OLDEST * 10_000:
        advice = f"Stockkeeper needs PostgreSQL {OLDEST} or newer"
        return Check("database", ok=False, detail=found, advice=advice)
    return Check("database", ok=True, detail=found)


def role_check(facts: Facts, *, is_ours: bool) -> Check:
    """Whether a worker may do no more than it needs; the arguments are those of `database_checks`."""
    acts_as, user = facts.acts_as, facts.logged_in_as
    if powers := _powers(facts, acts_as):
        advice = (
            f"let the worker log in by a user whose only right is to be a member of {WORKER_ROLE}, or name that role "
            "in STOCKKEEPER_DATABASE_ROLE; and give the doctor the worker's environment, not that of setup"
        )
        return Check("role", ok=False, detail=f"a worker acts as {acts_as}, {powers}", advice=advice)
    if powers := _powers(facts, user):
        advice = (
            "that is how `stockkeeper up` works; a worker in production logs in by another user"
            if is_ours
            else f"let the worker log in by a user whose only right is to be a member of {WORKER_ROLE}"
        )
        detail = f"a worker acts as {acts_as}; but it logs in as {user}, {powers}, and may go back to that"
        return Check("role", ok=is_ours, detail=detail, advice=advice)
    logs_in = "" if acts_as == user else f" and logs in as {user}"
    return Check("role", ok=True, detail=f"a worker acts as {acts_as}{logs_in}, which can't change the ledger's past")


def _powers(facts: Facts, role: str) -> str:
    """What a role may do and shouldn't; empty if that is nothing."""
    if role in facts.superusers:
        return "a superuser"
    if ledgers := facts.rewriters.get(role):
        return f"which may change the past of {' and '.join(ledgers)}"
    return ""


def _durability(facts: Facts) -> Check:
    if not facts.unsafe:
        return Check("durability", ok=True, detail="what is committed survives a crash and a power cut")
    named = ", ".join(f"{name} is {value}" for name, value in facts.unsafe.items())
    return Check(
        "durability",
        ok=False,
        detail=f"a crash or a power cut may lose what was committed: {named}",
        advice="switch it on: Temporal takes for done what the database would have forgotten",
    )


def _connections(facts: Facts, needed: int) -> Check:
    detail = f"{facts.connections} in use, {facts.connections_left} left; a worker takes {needed}"
    enough = facts.connections_left >= needed
    advice = "" if enough else "raise max_connections before you start another worker"
    return Check("connections", ok=facts.connections_left > 0, detail=detail, advice=advice)


def _schema(engine: Engine) -> Check:
    try:
        revision = require_schema(engine)
    except AnotherSchema as error:
        found, _, advice = str(error).partition(": ")
        return Check("schema", ok=False, detail=found, advice=advice)
    return Check("schema", ok=True, detail=f"revision {revision}, which serves this version")
