"""The steps of an import: its pages are staged in `import_pages`, and all rows are written in one transaction."""

from datetime import timedelta

from sqlalchemy import Connection, delete, func, or_, select
from temporalio import activity

from activities.import_stock import apply_stock
from activities.writes import OnDatabase, database_errors, effect_once
from database.import_file import load, lock_target, stage, upsert
from database.import_file_checks import require_sound
from database.imported_files import keep_import, read_earlier
from database.operations import Operation
from database.sessions import allow_bulk
from database.tables import import_pages
from stockkeeper.contracts.import_file import (
    Applied,
    ApplyImportStep,
    Discarded,
    DiscardImportStep,
    ImportActivities,
    Opened,
    OpenImportStep,
    Staged,
    StagePageStep,
    unpack_rows,
)
from stockkeeper.contracts.import_rows import read_rows, rows_as_json
from stockkeeper.contracts.messages import counted
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.import_file import ImportKind, bad_columns, refusal

_LEFT_BEHIND_AFTER = timedelta(days=1)
"""Older pages belong to a terminated workflow: any other deletes its pages within hours."""


class ImportSteps(OnDatabase, ImportActivities):
    """`ImportActivities` on PostgreSQL."""

    @activity.defn(name="open_import", no_thread_cancel_exception=True)
    def open_import(self, step: OpenImportStep) -> Opened:
        """Find out whether the file was the last of its kind, and delete pages that an earlier run left behind.

        Only staged pages change, so it needs no operation.
        """
        ours = import_pages.c.import_id == step.import_id
        left_behind = import_pages.c.staged_at < step.as_of - _LEFT_BEHIND_AFTER
        with database_errors(), self._database.transaction() as connection:
            connection.execute(delete(import_pages).where(or_(ours, left_behind)))
            earlier = read_earlier(connection, step.import_id)
        applied = None if earlier.result is None else Applied.model_validate(earlier.result)
        if applied is not None and applied.skipped_total:
            applied = None  # It is sent again for the rows that were skipped; the others are as it says.
        return Opened(applied=applied, applications=earlier.applications)

    @activity.defn(name="stage_page", no_thread_cancel_exception=True)
    def stage_page(self, step: StagePageStep) -> Staged:
        """Check a page's rows by themselves, and stage them.

        The page's number is its key, so that a repeat replaces it: it needs no operation.

        Raises:
            InvalidRequest: It isn't a page, or has bad rows. It isn't staged.
        """
        with database_errors():
            if wrong := bad_columns(step.kind, step.columns):
                raise InvalidRequest("; ".join(wrong))
            rows, bad = read_rows(step.kind, step.columns, unpack_rows(step.rows))
            if bad:
                raise refusal(bad, len(bad))
            with self._database.transaction() as connection:
                as_json = rows_as_json(step.kind, rows)
                stage(connection, step.import_id, step.page, as_json, row_count=len(rows), staged_at=step.as_of)
                pages, row_count = _staged(connection, step.import_id)
        return Staged(pages=pages, rows=row_count)

    @activity.defn(name="apply_import", no_thread_cancel_exception=True)
    def apply_import(self, step: ApplyImportStep) -> Applied:
        """Check every row against the database, and write all of them, or none.

        Locks: the table for the rows, against other writers; for stock no table, but the items, sorted.
        Operation: ``{workflow}/apply``; of a file that is applied again after another, ``{workflow}/apply/2`` and on.

        Raises:
            InvalidRequest: Pages are missing, or rows are bad: the details name the first ten.
        """
        return effect_once(
            self._database, step, Applied, lambda connection, operation: _apply(connection, operation, step)
        )[0]

    @activity.defn(name="discard_import", no_thread_cancel_exception=True)
    def discard_import(self, step: DiscardImportStep) -> Discarded:
        """Delete the staged pages. A repeat finds none, so it needs no operation."""
        with database_errors(), self._database.transaction() as connection:
            return Discarded(pages=_delete_pages(connection, step.import_id))


def _apply(connection: Connection, operation: Operation, step: ApplyImportStep) -> Applied:
    # A million rows take longer than the few of an order; the setting ends with this transaction.
    allow_bulk(connection)
    pages, rows = _staged(connection, step.import_id)
    if (pages, rows) != (step.pages, step.rows):
        raise InvalidRequest(
            f"{counted(step.pages, 'page')} with {counted(step.rows, 'row')} announced, "
            f"{counted(pages, 'page')} with {counted(rows, 'row')} received"
        )
    if step.kind is not ImportKind.STOCK:
        lock_target(connection, step.kind)
    incoming = load(connection, step.kind, step.import_id, step.columns)
    require_sound(connection, incoming, step.as_of)
    if step.kind is ImportKind.STOCK:
        applied = apply_stock(connection, operation, step, incoming)
    else:
        rows, inserted, updated = upsert(connection, incoming)
        unchanged = rows - inserted - updated
        applied = Applied(rows=rows, inserted=inserted, updated=updated, unchanged=unchanged)
    keep_import(connection, operation, step.kind, step.import_id)
    _delete_pages(connection, step.import_id)
    return applied


def _staged(connection: Connection, import_id: str) -> tuple[int, int]:
    """Pages and rows that are staged of an import."""
    counted = connection.execute(
        select(func.count(), func.coalesce(func.sum(import_pages.c.row_count), 0)).where(
            import_pages.c.import_id == import_id
        )
    ).one()
    return int(counted[0]), int(counted[1])


def _delete_pages(connection: Connection, import_id: str) -> int:
    return connection.execute(delete(import_pages).where(import_pages.c.import_id == import_id)).rowcount
