"""The steps of an import: its pages are staged in `import_pages`, and all rows are written in one transaction.

Pages have no operations: a page that is sent again replaces itself. But an attempt that a worker was slow with may come
after Temporal has given its step to another one, and after the file was applied, discarded or opened again; so each of
these refuses what was begun before, by the workflow's time (`database.operations`).
"""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, or_, select
from temporalio import activity

from activities.import_stock import apply_stock
from activities.page_reading import PageReading
from activities.writes import OnDatabase, database_errors, effect_once, operation_of
from database.import_file import load, lock_target, stage, upsert
from database.import_file_checks import require_sound
from database.imported_files import keep_import, read_earlier
from database.operations import Operation, claim, find_refused, insert_refused, refused_by_id, require_later
from database.pipeline import send
from database.sessions import Database, allow_bulk
from database.tables import import_pages
from stockkeeper.contracts.import_file import (
    Applied,
    ApplyImportStep,
    Discarded,
    DiscardImportStep,
    ImportActivities,
    ImportStep,
    Opened,
    OpenImportStep,
    Staged,
    StagePageStep,
)
from stockkeeper.contracts.messages import counted
from stockkeeper.domain.errors import InvalidRequest, InvalidState
from stockkeeper.domain.import_file import ImportKind, bad_columns

_LEFT_BEHIND_AFTER = timedelta(days=1)
"""Older pages belong to a terminated workflow: any other deletes its pages within hours."""
_INSTANT = timedelta(microseconds=1)
_ENDED = InvalidState("the file has been applied, discarded or opened again since this was sent")


class ImportSteps(OnDatabase, ImportActivities):
    """`ImportActivities` on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._pages = PageReading()

    @activity.defn(name="open_import", no_thread_cancel_exception=True)
    def open_import(self, step: OpenImportStep) -> Opened:
        """Find out whether the file was the last of its kind, and delete pages that an earlier run left behind.

        Only staged pages change, so it needs no operation.

        Locks: the file's pages.

        Raises:
            InvalidState: The file was opened again, or has ended, since this attempt was begun. Nothing has changed.
        """
        ours = import_pages.c.import_id == step.import_id
        left_behind = import_pages.c.staged_at < step.as_of - _LEFT_BEHIND_AFTER
        with database_errors(), self._database.transaction() as connection:
            pages = _lock_pages(connection, step)
            # Another attempt at this step may come at the same time as this one, and the first pages as well.
            _refuse_earlier(connection, pages, until=step.as_of - _INSTANT)
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

        Locks: the file's pages.

        Raises:
            InvalidRequest: It isn't a page, or has bad rows. It isn't staged.
            InvalidState: The file was opened again, or has ended, since this attempt was begun. It isn't staged.
        """
        with database_errors():
            if wrong := bad_columns(step.kind, step.columns):
                raise InvalidRequest("; ".join(wrong))
            page = self._pages.read(step.kind, step.columns, step.rows)
            with self._database.transaction() as connection:
                _lock_pages(connection, step)
                stage(connection, step.import_id, step.page, page.rows, row_count=page.row_count, staged_at=step.as_of)
                pages, row_count = _staged(connection, step.import_id)
        return Staged(pages=pages, rows=row_count)

    @activity.defn(name="apply_import", no_thread_cancel_exception=True)
    def apply_import(self, step: ApplyImportStep) -> Applied:
        """Check every row against the database, and write all of them, or none.

        Locks: the file's pages; the table for the rows, against other writers; for stock no table, but the items,
        sorted.
        Operation: ``{workflow}/apply``; of a file that is applied again after another, ``{workflow}/apply/2`` and on.

        Raises:
            InvalidRequest: Pages are missing, or rows are bad: the details name the first ten.
        """
        applied, done_already = effect_once(
            self._database, step, Applied, lambda connection, operation: _apply(connection, operation, step)
        )
        if done_already:
            # A run that an operator has reset has staged its pages again; those of a later attempt are not this one's.
            with database_errors(), self._database.transaction() as connection, suppress(InvalidState):
                _end(connection, step, _lock_pages(connection, step, repeats=True))
        return applied

    @activity.defn(name="discard_import", no_thread_cancel_exception=True)
    def discard_import(self, step: DiscardImportStep) -> Discarded:
        """Delete the staged pages. A repeat finds none, so it needs no operation.

        Locks: the file's pages.

        Raises:
            InvalidState: The file was opened again since this attempt was begun. Nothing has changed.
        """
        with database_errors(), self._database.transaction() as connection:
            return Discarded(pages=_end(connection, step, _lock_pages(connection, step, repeats=True)))


def _lock_pages(connection: Connection, step: ImportStep, *, repeats: bool = False) -> Operation:
    """Lock a file's pages for an attempt that was begun after the latest step that has refused earlier ones.

    Args:
        connection: The transaction.
        step: The step.
        repeats: Whether that may be another attempt at the same step.

    Returns:
        What stands for all pages of the file among operations.

    Raises:
        InvalidState: The attempt was begun before.
    """
    pages = replace(operation_of(step), operation_id=f"{step.import_id}/pages")
    _, refused = send(connection, [claim([pages.operation_id]), find_refused([pages.operation_id])])
    at = None if pages.as_of is None else pages.as_of + (_INSTANT if repeats else timedelta())
    require_later(replace(pages, as_of=at), refused_by_id(refused))
    return pages


def _refuse_earlier(connection: Connection, pages: Operation, *, until: datetime) -> None:
    send(connection, [insert_refused([(replace(pages, as_of=until), _ENDED)])])


def _end(connection: Connection, step: ImportStep, locked: Operation) -> int:
    """Delete the staged pages, which are locked; what was begun by now stages no more of them."""
    _refuse_earlier(connection, locked, until=step.as_of)
    return connection.execute(delete(import_pages).where(import_pages.c.import_id == step.import_id)).rowcount


def _apply(connection: Connection, operation: Operation, step: ApplyImportStep) -> Applied:
    # A million rows take longer than the few of an order; the setting ends with this transaction.
    allow_bulk(connection)
    locked = _lock_pages(connection, step, repeats=True)
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
    _end(connection, step, locked)
    return applied


def _staged(connection: Connection, import_id: str) -> tuple[int, int]:
    """Pages and rows that are staged of an import."""
    counted = connection.execute(
        select(func.count(), func.coalesce(func.sum(import_pages.c.row_count), 0)).where(
            import_pages.c.import_id == import_id
        )
    ).one()
    return int(counted[0]), int(counted[1])
