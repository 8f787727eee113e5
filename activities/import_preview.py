"""A look at a file before its import: its rows are loaded and checked like those of an import, and rolled back."""

import uuid
from collections import Counter

from sqlalchemy import Connection
from temporalio import activity

from activities.import_stock import stock_rows
from activities.writes import OnDatabase, database_errors
from database.import_file import Incoming, load, stage
from database.import_file_checks import bad_rows
from database.import_preview import changes_of, keys_by_line
from stockkeeper.contracts.import_file import ImportProblem, unpack_rows, workflow_id
from stockkeeper.contracts.import_preview import (
    CHANGES_SHOWN,
    PROBLEMS_SHOWN,
    FileChange,
    ImportPreviewActivities,
    PreviewedPage,
    PreviewPage,
)
from stockkeeper.contracts.import_rows import read_rows, readable_rows, rows_as_json
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.import_file import BadRow, ImportKind, bad_columns
from stockkeeper.domain.stock_file import SKIPPED, Effect, StockRow


class ImportPreviews(OnDatabase, ImportPreviewActivities):
    """`ImportPreviewActivities` on PostgreSQL."""

    @activity.defn(name="preview_import", no_thread_cancel_exception=True)
    def preview_import(self, question: PreviewPage) -> PreviewedPage:
        """What a page of a file would change, and all of its bad rows, whatever is wrong with them.

        A row whose cells can be read only in part is checked in these. Nothing is locked, and nothing is stored: the
        transaction is rolled back.

        Raises:
            InvalidRequest: It isn't a page, or its columns aren't those of its kind.
        """
        with database_errors():
            if wrong := bad_columns(question.kind, question.columns):
                raise InvalidRequest("; ".join(wrong))
            given = unpack_rows(question.rows)
            _, bad = read_rows(question.kind, question.columns, given)
            rows = readable_rows(question.kind, question.columns, given, bad)
            with self._database.transaction() as connection:
                try_out = connection.begin_nested()
                found, more, more_total = PreviewedPage(rows=0), list[BadRow](), 0
                if rows:
                    packed = rows_as_json(question.kind, rows)
                    found, more, more_total = _previewed(connection, question, packed, {each.line for each in bad})
                try_out.rollback()
        named = sorted([*bad[:PROBLEMS_SHOWN], *more], key=lambda each: each.line)
        return found.model_copy(
            update={
                "rows": len(given),
                "problems": [ImportProblem(line=each.line, column=each.column, message=each.message) for each in named],
                "problems_total": len(bad) + more_total,
                "unreadable_total": len(bad),
            }
        )


def _previewed(
    connection: Connection, question: PreviewPage, rows: bytes, bad_already: set[int]
) -> tuple[PreviewedPage, list[BadRow], int]:
    """The changes of readable rows, those that are bad by the database, and how many these are."""
    page = f"preview-{uuid.uuid4()}"
    stage(connection, page, 0, rows, row_count=1, staged_at=question.as_of)
    incoming = load(connection, question.kind, page, question.columns)
    found, total = bad_rows(connection, incoming, question.as_of, most=PROBLEMS_SHOWN + len(bad_already))
    # A row that can't be read was named already.
    named = [bad for bad in found if bad.line not in bad_already]
    more, more_total = named[:PROBLEMS_SHOWN], len(named) + total - len(found)
    wrong = bad_already | {bad.line for bad in more}
    if question.kind is ImportKind.STOCK:
        return _of_stock(connection, question, incoming, wrong), more, more_total
    counted, changes, changes_total = changes_of(connection, incoming, wrong, most=CHANGES_SHOWN)
    preview = PreviewedPage(
        rows=counted.rows,
        inserted=counted.inserted,
        updated=counted.updated,
        unchanged=counted.rows - counted.inserted - counted.updated,
        changes=[FileChange(**change) for change in changes],
        changes_total=changes_total,
    )
    return preview, more, more_total


def _of_stock(connection: Connection, question: PreviewPage, incoming: Incoming, wrong: set[int]) -> PreviewedPage:
    keys = keys_by_line(connection, incoming)
    of_file = workflow_id(question.kind, question.digest)
    rows = [row for chunk in stock_rows(connection, incoming, of_file) for row in chunk if row.line not in wrong]
    counts = Counter(row.effect for row in rows)
    changed = sorted((row for row in rows if row.effect is not Effect.UNCHANGED), key=lambda row: row.line)
    return PreviewedPage(
        rows=len(rows),
        inserted=counts[Effect.OPENED],
        updated=counts[Effect.ADJUSTED],
        unchanged=counts[Effect.UNCHANGED],
        skipped=sum(counts[effect] for effect in SKIPPED),
        changes=[_stock_change(row, keys[row.line]) for row in changed[:CHANGES_SHOWN]],
        changes_total=len(changed),
    )


def _stock_change(row: StockRow, key: str) -> FileChange:
    what = "skipped" if row.effect in SKIPPED else str(row.effect)
    return FileChange(
        line=row.line, what=what, key=key, column="quantity", before=str(row.on_hand), after=str(row.quantity)
    )
