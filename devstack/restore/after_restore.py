"""`stockkeeper doctor --after-restore`: find what doesn't fit between database and Temporal, and mend it when told."""

import asyncio
import uuid
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsError

from database import after_restore as database_after_restore
from database import events
from database.migrate import require_schema
from devstack.restore import runs as temporal_runs
from devstack.restore.gaps import Books, Gap, GapKind, done_since, find_gaps, other_products, products_of
from devstack.restore.recorded import read
from devstack.restore.repeating import Refused, Steps
from devstack.restore.restarting import Starts
from devstack.restore.runs import Run
from devstack.settings import in_a_line
from stockkeeper import Connection
from stockkeeper.contracts.import_file import ApplyImportStep
from stockkeeper.contracts.messages import counted
from stockkeeper.contracts.processes import DOCUMENTS
from stockkeeper.domain.errors import StockkeeperError
from worker import Settings, build_database

CLOCKS = timedelta(minutes=10)
"""How much earlier than the older store's last moment is looked at: clocks differ, and transactions take their time."""
_THE_BEGINNING = datetime(1970, 1, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Look:
    """What was found.

    Attributes:
        database_at: The last moment that the database knows; None: it has no operation.
        temporal_at: The last moment that Temporal knows; None: it has no run.
        since: The moment since which both were compared.
        runs_read: The number of histories that were read.
        workers: Workers that ask for work.
        products: The products that runs know: each id with its SKU.
        gaps: What only one of them knows.
    """

    database_at: datetime | None
    temporal_at: datetime | None
    since: datetime
    runs_read: int
    workers: Sequence[str]
    products: AbstractSet[tuple[int, str]]
    gaps: Sequence[Gap]

    def of(self, kind: GapKind) -> list[Gap]:
        """The gaps of one kind."""
        return [gap for gap in self.gaps if gap.kind is kind]


@dataclass
class Mended:
    """What was done.

    Attributes:
        repeated: Steps that were carried out again.
        refused: Steps that can't be, each with the reason.
        started: Runs that were started for documents without one.
        replaced: Runs that were ended and started with the same request.
        events_after: The number after which the events begin anew.
        left: What the look afterwards has found.
    """

    repeated: int = 0
    refused: list[Refused] = field(default_factory=list)
    started: int = 0
    replaced: int = 0
    events_after: int = 0
    left: Look | None = None


class _Moments(NamedTuple):
    database_at: datetime | None
    temporal_at: datetime | None
    since: datetime


class AfterRestore:
    """Both stores, and what is to be compared in them.

    Args:
        connection: Temporal, and the workers' task queue.
        settings: The workers' settings, with the database.
        homes: Where the documents of runs are, if there are several databases; None: there is one.
    """

    def __init__(self, connection: Connection, settings: Settings, homes: temporal_runs.Homes | None = None) -> None:
        self._client = connection.client
        self._task_queue = connection.task_queue
        self._homes = homes
        self._settings = settings
        self._database = build_database(settings)

    def close(self) -> None:
        """Give the database's connections back."""
        self._database.engine.dispose()

    async def look(self, since: datetime | None = None) -> Look:
        """Compare, and change nothing.

        Args:
            since: Both know the same before this instant; None: it is found. It can't be found where work has gone on
                since the restore.

        Raises:
            AnotherSchema: The database doesn't serve this version.
        """
        await asyncio.to_thread(require_schema, self._database.engine)
        workers = await self._workers()
        listed = self._of_this_database(await temporal_runs.listed_as_open(self._client))
        moments = await self._moments(listed, since)
        since = moments.since
        with self._database.snapshot() as connection:
            operations = database_after_restore.operations_since(connection, since)
            documents = database_after_restore.open_documents(connection, DOCUMENTS, datetime.now(UTC))
            gave_way = database_after_restore.workflows_of_holds_that_gave_way(connection, since)
            pages = database_after_restore.staged_pages(connection)
        concerned = {each.workflow_id for each in operations} | gave_way
        to_read = [
            *(run for run in listed if run.last_event_at >= since or run.workflow_id in concerned),
            *self._of_this_database(await temporal_runs.ended_since(self._client, since)),
        ]
        found = await read(self._client, to_read)
        ids = {each.operation_id for _, each in done_since(found, since)}
        products = products_of(found)
        with self._database.snapshot() as connection:
            stored = database_after_restore.stored_among(connection, ids)
            by_sku = database_after_restore.products_by(connection, {sku for _, sku in products})
        books = Books(operations, stored, documents, gave_way, pages, by_sku)
        gaps = await self._sure(find_gaps(since, found, {run.workflow_id for run in listed if run.is_open}, books))
        return Look(moments.database_at, moments.temporal_at, since, len(found), workers, products, gaps)

    async def mend(self, look: Look, person: str) -> Mended:
        """Bring each store what only the other one knows, and look again.

        The events begin anew, or numbers would be given again that others know as other events. Then lost steps: they
        are the truth about goods. Then the runs.

        Raises:
            StockkeeperError: Workers are running: nothing is done. Or products have other numbers: no further step is.
        """
        require_no_workers(look, self._task_queue)
        require_same_products(look.of(GapKind.OTHER_PRODUCT))
        mended, since = Mended(), look.since
        name = f"after-restore/{uuid.uuid4()}"
        mended.events_after = await asyncio.to_thread(self._begin, name, person, since)
        otherwise: list[Gap] = []
        steps = Steps(self._database, self._settings)
        for part in until_each_import(look.of(GapKind.STEP_LOST)):
            repeated = await steps.repeat([*(each.gap for each in mended.refused), *part])
            mended.repeated += len(repeated.done)
            mended.refused = repeated.refused
            otherwise += repeated.otherwise
            # A file that is imported again may have given its products other numbers.
            await asyncio.to_thread(self._require_same_products, look)
        if mended.repeated:
            look = await self.look(since)
        behind = look.of(GapKind.RUN_BEHIND)
        behind += _of_open_runs(otherwise, behind)
        starts = Starts(self._client, self._database, self._task_queue, person)
        missing = look.of(GapKind.RUN_MISSING)
        await starts.start_missing(missing)
        await starts.replace(behind)
        mended.started, mended.replaced = len(missing), len(behind)
        mended.left = await self.look(since)
        await asyncio.to_thread(self._end, name, person, mended)
        return mended

    async def _workers(self) -> list[str]:
        """Workers that may carry out steps on this database: those of others follow warehouses that have moved here."""
        queues = [self._task_queue] if self._homes is None else self._homes.queues
        now = datetime.now(UTC)
        return sorted({each for queue in queues for each in await temporal_runs.pollers_of(self._client, queue, now)})

    def _of_this_database(self, runs: Sequence[Run]) -> list[Run]:
        return [run for run in runs if self._homes is None or self._homes.has(self._task_queue, run)]

    async def _moments(self, listed: Sequence[Run], since: datetime | None) -> _Moments:
        with self._database.snapshot() as connection:
            database_at = database_after_restore.newest_operation(connection)
            # What was carried out again by then makes the database look newer than it is.
            since = since or database_after_restore.unfinished_mending(connection)
        ended_at = await temporal_runs.last_end(self._client)
        moments = [run.last_event_at for run in listed] + ([] if ended_at is None else [ended_at])
        temporal_at = max(moments, default=None)
        known = [each for each in (database_at, temporal_at) if each is not None]
        if since is None:
            # What has nothing at all is compared from the beginning.
            since = min(known) - CLOCKS if len(known) == len(("database", "Temporal")) else _THE_BEGINNING
        return _Moments(database_at, temporal_at, since)

    async def _sure(self, gaps: Sequence[Gap]) -> list[Gap]:
        """The same without runs that only the list hasn't had yet."""
        missing = {gap.workflow_id for gap in gaps if gap.kind is GapKind.RUN_MISSING}
        running = await temporal_runs.are_running(self._client, missing)
        return [gap for gap in gaps if gap.kind is not GapKind.RUN_MISSING or gap.workflow_id not in running]

    def _require_same_products(self, look: Look) -> None:
        with self._database.snapshot() as connection:
            found = database_after_restore.products_by(connection, {sku for _, sku in look.products})
        require_same_products(other_products(look.products, found))

    def _begin(self, name: str, person: str, since: datetime) -> int:
        with self._database.transaction() as connection:
            database_after_restore.begin_mending(connection, name, person, since)
            return events.begin_anew(connection, occasion=name, person=person, reason="restored from a backup")

    def _end(self, name: str, person: str, mended: Mended) -> None:
        done = {"repeated": mended.repeated, "started": mended.started, "replaced": mended.replaced}
        with self._database.transaction() as connection:
            database_after_restore.end_mending(connection, name, person, done)


def settings_for(database_url: str, task_queue: str) -> Settings:
    """The workers' settings as the environment has them, on this database.

    Raises:
        StockkeeperError: One of them is wrong.
    """
    try:
        return Settings(database_url=SecretStr(database_url), task_queue=task_queue)
    except (ValidationError, SettingsError) as error:
        raise StockkeeperError(f"the environment has a setting that is wrong: {in_a_line(error)}") from None


def require_no_workers(look: Look, task_queue: str) -> None:
    """Refuse to mend while workers go on.

    Raises:
        StockkeeperError: Some do.
    """
    if look.workers:
        raise StockkeeperError(
            f"{counted(len(look.workers), 'worker')} ({', '.join(look.workers)}) may be working on task queue "
            f"{task_queue}: stop them, wait a minute, and mend then; nothing was done"
        )


def require_same_products(others: Sequence[Gap]) -> None:
    """Refuse to mend where a product's number means another product.

    Raises:
        StockkeeperError: With the first of them.
    """
    if others:
        raise StockkeeperError(f"{others[0].detail}; no further step is repeated: docs/backup.md says what to do")


def until_each_import(lost: Sequence[Gap]) -> list[list[Gap]]:
    """The steps in their order, in parts that end with the import of a file."""
    parts: list[list[Gap]] = [[]]
    for gap in lost:
        parts[-1].append(gap)
        if gap.step is not None and isinstance(gap.step.step, ApplyImportStep):
            parts.append([])
    return [part for part in parts if part]


def _of_open_runs(gaps: Sequence[Gap], known: Sequence[Gap]) -> list[Gap]:
    """One gap for each open run among these that isn't known yet."""
    found: dict[str, Gap] = {}
    for gap in gaps:
        if gap.run is not None and gap.run.run.is_open:
            found.setdefault(gap.workflow_id, gap)
    for gap in known:
        found.pop(gap.workflow_id, None)
    return list(found.values())
