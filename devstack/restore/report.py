"""The look after a restore in words: the checks of `stockkeeper doctor --after-restore`, and all gaps for programs."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from database.homes import read_moved_runs
from database.sessions import connect
from devstack.restore.after_restore import AfterRestore, Look, Mended, settings_for
from devstack.restore.gaps import GapKind
from devstack.restore.runs import Homes
from stockkeeper import Connection
from stockkeeper.contracts.messages import counted

_NAMED = 10
"""Gaps of one kind that a check names; the report has all."""

_MEANINGS: Mapping[GapKind, tuple[str, str]] = {
    GapKind.STEP_LOST: (
        "that Temporal knows as done, and the database has lost",
        "--mend carries each out again, in their order, once",
    ),
    GapKind.RUN_MISSING: (
        "of open documents, that Temporal doesn't have",
        "--mend starts each with the request that the document's rows have",
    ),
    GapKind.RUN_BEHIND: (
        "whose document has gone on without them",
        "--mend replaces each by a run with the same request, which finds the document as it is",
    ),
    GapKind.RUN_UNREADABLE: (
        "whose history this version can't replay",
        "compare each document with its run in the Temporal UI; --mend leaves them as they are",
    ),
    GapKind.OTHER_PRODUCT: (
        "that runs know by another number than the database",
        "--mend does nothing: docs/backup.md, 'Products with other numbers', says what to do",
    ),
}
_THINGS = {GapKind.STEP_LOST: "step", GapKind.OTHER_PRODUCT: "product"}


async def after_restore_of_several(
    connection: Connection, urls: Mapping[str, str], mended_by: str | None, since: datetime | None = None
) -> dict[str, Any]:
    """The same for each of several databases, one after another.

    Args:
        connection: Temporal.
        urls: All databases by the task queues of their workers.
        mended_by: Who lets them be mended; None: they are only looked at.
        since: Temporal and each of them know the same before this instant; None: it is found.

    Returns:
        ``checks`` of all of them, each named with its task queue, and ``databases``: the report of each.
    """
    moved = await asyncio.gather(*(asyncio.to_thread(_moved_runs, url) for url in urls.values()))
    homes = Homes(list(urls), dict(zip(urls, moved, strict=True)))
    reports = {
        queue: await after_restore(connection.at(queue), url, mended_by, since, homes=homes)
        for queue, url in urls.items()
    }
    checks = [
        check | {"name": f"{queue}: {check['name']}"} for queue, each in reports.items() for check in each["checks"]
    ]
    return {"checks": checks, "databases": reports}


def _moved_runs(url: str) -> dict[str, str]:
    engine = connect(url, pool_size=1)
    try:
        with engine.connect() as connection:
            return read_moved_runs(connection)
    finally:
        engine.dispose()


async def after_restore(
    connection: Connection,
    database_url: str,
    mended_by: str | None,
    since: datetime | None = None,
    *,
    homes: Homes | None = None,
) -> dict[str, Any]:
    """Compare both stores, mend if somebody lets it, and report.

    Args:
        connection: Temporal, and the workers' task queue.
        database_url: The database.
        mended_by: Who lets it be mended; None: it is only looked at.
        since: Both know the same before this instant; None: it is found.
        homes: Where the documents of runs are, if there are several databases; None: there is one.

    Returns:
        ``checks`` as of any doctor, as they are at the end; ``gaps`` as they were at first, all of them; the moments of
        both stores; and ``mended``, what was done.

    Raises:
        StockkeeperError: It can't be looked at or mended.
    """
    stores = AfterRestore(connection, settings_for(database_url, connection.task_queue), homes)
    try:
        look = await stores.look(since)
        mended = None if mended_by is None else await stores.mend(look, mended_by)
    finally:
        stores.close()
    at_the_end = look if mended is None or mended.left is None else mended.left
    return {
        "checks": _checks(at_the_end, mended),
        "database_at": _instant(look.database_at),
        "temporal_at": _instant(look.temporal_at),
        "since": _instant(look.since),
        "runs_compared": look.runs_read,
        "gaps": [{"kind": gap.kind, "workflow_id": gap.workflow_id, "detail": gap.detail} for gap in look.gaps],
        "mended": None if mended is None else _mended(mended),
    }


def _mended(mended: Mended) -> dict[str, Any]:
    return {
        "steps_repeated": mended.repeated,
        "steps_refused": [
            {"workflow_id": each.gap.workflow_id, "detail": each.gap.detail, "message": each.why}
            for each in mended.refused
        ],
        "runs_started": mended.started,
        "runs_replaced": mended.replaced,
        "events_begin_after": mended.events_after,
    }


def _checks(look: Look, mended: Mended | None) -> list[dict[str, Any]]:
    refused = [] if mended is None else [f"{each.gap.detail}: {each.why}" for each in mended.refused]
    stop = "stop them, and wait a minute: what they do meanwhile can't be told from what is missing"
    checks = [_check("no worker", f"{counted(len(look.workers), 'worker')} may be working", look.workers, stop)]
    for kind, (meaning, advice) in _MEANINGS.items():
        gaps = look.of(kind)
        what = f"{counted(len(gaps), _THINGS.get(kind, 'run'))} {meaning}"
        checks.append(_check(kind.lower().replace("_", " "), what, [gap.detail for gap in gaps], advice))
    if mended is not None:
        what = f"{counted(len(refused), 'step')} refused when it was carried out again"
        checks.append(_check("step refused", what, refused, "decide each by hand: count the product, then adjust it"))
    return checks


def _check(name: str, what: str, found: Sequence[str], advice: str) -> dict[str, Any]:
    more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    detail = f"{what}: {'; '.join(found[:_NAMED])}{more}" if found else what
    return {"name": name, "ok": not found, "detail": detail, "advice": advice if found else ""}


def _instant(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
