"""The database's side of the look after a restore, when it and Temporal may be of different moments."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from importlib import import_module
from typing import NamedTuple

from sqlalchemy import Connection, Text, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY

from database.columns import INSTANT
from database.document import Document
from database.operations import Operation, once

MENDING = "mend_after_restore"
"""The kind of the operations that keep who has let the stores be mended."""

_NEWEST = text("SELECT max(created_at) FROM operations WHERE workflow_id <> ''")

_UNFINISHED = text("""
    SELECT min((result->>'since')::timestamptz) FROM operations AS begun
    WHERE kind = :kind AND result ? 'since'
        AND NOT EXISTS (SELECT FROM operations WHERE operation_id = begun.operation_id || '/done')
""")

_SINCE = text("""
    SELECT operation_id, workflow_id, run_id, created_at FROM operations
    WHERE created_at >= :since AND workflow_id <> '' ORDER BY created_at
""").bindparams(bindparam("since", type_=INSTANT))

_STORED = text("SELECT operation_id FROM operations WHERE operation_id = ANY (:ids)").bindparams(
    bindparam("ids", type_=ARRAY(Text))
)

_HELD = text("""
    SELECT DISTINCT reference_id FROM reservations WHERE reference_type = 'ORDER' AND status = 'ACTIVE'
    ORDER BY reference_id
""")

_WAITING = text("""
    SELECT reference_id FROM waits WHERE is_waiting AND waiting_until > :as_of ORDER BY wait_id
""").bindparams(bindparam("as_of", type_=INSTANT))

_GAVE_WAY = text("""
    SELECT DISTINCT workflow_id FROM given_way JOIN reservations USING (reservation_id)
    WHERE gave_way_at >= :since AND held_again_at IS NULL
""").bindparams(bindparam("since", type_=INSTANT))

_PAGES = text("SELECT import_id, count(*) AS pages FROM import_pages GROUP BY import_id")

_SKUS = text("""
    SELECT product_id, sku FROM products WHERE sku = ANY (:skus)
    UNION ALL SELECT product_id, sku FROM former_skus WHERE sku = ANY (:skus)
""").bindparams(bindparam("skus", type_=ARRAY(Text)))


class StoredStep(NamedTuple):
    """An operation as the database has it."""

    operation_id: str
    workflow_id: str
    run_id: str
    created_at: datetime


def begin_mending(connection: Connection, operation_id: str, person: str, since: datetime) -> None:
    """Keep who lets the stores be mended, and since when they are compared, before anything is done."""
    operation = Operation(operation_id, MENDING, {}, person, "", "")
    once(connection, operation, lambda: {"since": since.isoformat()})


def end_mending(connection: Connection, operation_id: str, person: str, done: Mapping[str, int]) -> None:
    """Keep that it has come to its end, and what was done."""
    once(connection, Operation(f"{operation_id}/done", MENDING, {}, person, "", ""), lambda: dict(done))


def unfinished_mending(connection: Connection) -> datetime | None:
    """The instant since which an unfinished mending compares the stores; None: no mending is unfinished."""
    found: datetime | None = connection.execute(_UNFINISHED, {"kind": MENDING}).scalar_one()
    return found


def newest_operation(connection: Connection) -> datetime | None:
    """When a workflow's step was carried out for the last time; None: never."""
    found: datetime | None = connection.execute(_NEWEST).scalar_one()
    return found


def operations_since(connection: Connection, since: datetime) -> list[StoredStep]:
    """The workflows' operations from an instant on, the first first."""
    return [StoredStep(*row) for row in connection.execute(_SINCE, {"since": since})]


def stored_among(connection: Connection, operation_ids: Collection[str]) -> set[str]:
    """Which of these operations were carried out."""
    return set(connection.execute(_STORED, {"ids": list(operation_ids)}).scalars())


def open_documents(connection: Connection, kinds: Iterable[str], as_of: datetime) -> list[tuple[str, str]]:
    """Kind and number of every document that a run should take commands for.

    A draft of a reorder run that nobody has started is left to the next reorder run.

    Args:
        connection: A snapshot.
        kinds: The kinds of documents, which are the names of their rooms; a reservation is its lines, and its wait.
        as_of: The present: a wait that is over needs no run.
    """
    found = [("reservation", number) for number in connection.execute(_HELD).scalars()]
    found += [("reservation", number) for number in connection.execute(_WAITING, {"as_of": as_of}).scalars()]
    for kind in kinds:
        for document in vars(import_module(f"database.{kind}")).values():
            if isinstance(document, Document):
                header = document.header.c
                still_open = select(document.number).where(header.closed_at.is_(None), header.run_id != "")
                numbers = connection.execute(still_open.order_by(document.key)).scalars()
                found += [(kind, number) for number in numbers]
    return list(dict.fromkeys(found))


def workflows_of_holds_that_gave_way(connection: Connection, since: datetime) -> set[str]:
    """The workflows of holds that gave way from an instant on, and weren't held again."""
    return set(connection.execute(_GAVE_WAY, {"since": since}).scalars())


def staged_pages(connection: Connection) -> dict[str, int]:
    """The number of staged pages of each import that has some."""
    return {row.import_id: row.pages for row in connection.execute(_PAGES)}


def products_by(connection: Connection, skus: Collection[str]) -> set[tuple[int, str]]:
    """The products that have or had one of these SKUs, each id with the SKU."""
    return {(row.product_id, row.sku) for row in connection.execute(_SKUS, {"skus": sorted(skus)})}
