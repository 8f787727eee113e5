"""Imports of files: read the file, send its pages one by one, and wait until all rows are applied."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from stockkeeper.client.calls import Interrupted, answer, checked, command, read_state, start_and_ask
from stockkeeper.client.connection import Connection
from stockkeeper.client.csv_files import CsvFile, Reading, read_file
from stockkeeper.client.document import Part
from stockkeeper.client.import_preview import ImportPreview, preview
from stockkeeper.client.questions import require_database
from stockkeeper.contracts.adjustment import PROCESS as ADJUSTMENT
from stockkeeper.contracts.errors import DomainError, InvalidRequest, InvalidState, NotFound, Unreachable
from stockkeeper.contracts.import_file import (
    ADD_PAGE,
    FINISH,
    PROCESS,
    ImportKind,
    ImportRequest,
    ImportState,
    ImportStatus,
    workflow_id,
)
from stockkeeper.contracts.import_rows import BadRow, refusal
from stockkeeper.contracts.messages import counted

APPLIED_WITHIN = timedelta(hours=2)
"""How long to wait for the end: a large file takes minutes, and a database in trouble longer."""

Progress = Callable[[int, int], None]
"""Called with the number of rows sent so far, and of all rows of the file."""

Notice = Callable[[str], None]
"""Called with one line for the person."""

_ATTEMPTS = 5
_FILE_NAME_LENGTH = 200


class Imports(Part):
    """Imports of files."""

    async def import_file(
        self,
        kind: ImportKind | str,
        path: Path | str,
        *,
        performed_by: str,
        progress: Progress | None = None,
        notice: Notice | None = None,
        encoding: str | None = None,
        warehouse: str | None = None,
    ) -> ImportState:
        """Import a file: all of its rows or none.

        The same file again, at the same time or later, changes nothing and answers with the outcome of the first
        import. After a refusal it may be sent again, once its rows are right.

        Args:
            kind: The kind of the rows.
            path: The file, with a header: CSV with commas, semicolons or tabs, or ``.xlsx``.
            performed_by: The person or service that imports it.
            progress: Called after each part that was sent.
            notice: Called with each line about the file: its encoding, ignored columns.
            encoding: The file's encoding, if it isn't to be recognised.
            warehouse: The name of the warehouse of all rows, if the file doesn't have it.

        Returns:
            The state, IMPORTED. Of a stock file with ``adjustments``: items that have stock, or in a warehouse that is
            in use, get the difference by adjustments, each of which is posted by then or waits for approval.

        Raises:
            InvalidRequest: The file has a fault, and nothing has changed. The details have ``errors``, the first ten
                bad rows ``{line, column, message}``, and ``errors_total``.
            Unreachable: No answer in time. It may be imported: ask again.
        """
        reading = await _read(kind, path, notice, encoding=encoding, warehouse=warehouse)
        file = reading.file
        if reading.total:
            raise await _whole_refusal(self.connection, reading)
        attempt = 1
        while True:
            try:
                state = await _send(self.connection, file, performed_by, progress or _no_progress)
            except (InvalidState, Interrupted):
                # The run of the same file ended without it, another sender's perhaps; this one begins its own.
                if attempt == _ATTEMPTS:
                    raise
                attempt += 1
            else:
                await _adjusted(self.connection, state)
                return state

    async def preview_file(
        self,
        kind: ImportKind | str,
        path: Path | str,
        *,
        notice: Notice | None = None,
        encoding: str | None = None,
        warehouse: str | None = None,
    ) -> ImportPreview:
        """What an import of a file would change, and every bad row, whatever is wrong with it. Nothing is changed.

        The arguments are those of `import_file`.

        Raises:
            InvalidRequest: The file isn't a table, or its columns aren't those of its kind.
            Unreachable: No worker answers.
        """
        reading = await _read(kind, path, notice, encoding=encoding, warehouse=warehouse)
        return await preview(self.connection, reading)


async def _read(
    kind: ImportKind | str, path: Path | str, notice: Notice | None, *, encoding: str | None, warehouse: str | None
) -> Reading:
    reading = await asyncio.to_thread(read_file, _kind(kind), Path(path), encoding=encoding, warehouse=warehouse)
    for note in reading.file.notes:
        (notice or _no_notice)(note)
    return reading


async def _whole_refusal(connection: Connection, reading: Reading) -> InvalidRequest:
    """The error for a file with rows that can't be read; rows that are bad in other ways are named with them."""
    try:
        seen = await preview(connection, reading)
    except (Unreachable, DomainError):
        return reading.refusal
    return refusal([BadRow(bad.line, bad.column, bad.message) for bad in seen.problems], seen.problems_total)


async def _adjusted(connection: Connection, state: ImportState) -> None:
    """Wait until each adjustment of a stock file is posted, waits for approval, or is refused."""
    for begun in state.adjustments:
        number = begun.adjustment_number
        handle = connection.client.get_workflow_handle(ADJUSTMENT.id_of(number))
        # One that was refused or has ended is settled, too.
        with contextlib.suppress(DomainError, NotFound, Interrupted):
            async with answer(f"adjustment {number}", connection.answer_within):
                await handle.execute_update(str(ADJUSTMENT.answer))


def _kind(kind: ImportKind | str) -> ImportKind:
    if kind not in list(ImportKind):
        raise InvalidRequest(f"kind: {str(kind)[:50]!r} is none of {', '.join(ImportKind)}")
    return ImportKind(kind)


async def _send(connection: Connection, file: CsvFile, performed_by: str, progress: Progress) -> ImportState:
    request = checked(
        ImportRequest,
        kind=file.kind,
        file_name=_presentable(file.name),
        digest=file.digest,
        columns=file.columns,
        performed_by=performed_by,
    )
    what = f"import of {request.file_name}"
    progress(0, file.rows)
    await require_database(connection)
    state = await start_and_ask(
        connection,
        PROCESS,
        request,
        what=what,
        workflow_id=workflow_id(file.kind, file.digest),
        summary=f"{request.summary}: {counted(file.rows, 'row')}",
        state=ImportState,
    )
    # By its id alone: a long import goes on in another run.
    handle = connection.client.get_workflow_handle(workflow_id(file.kind, file.digest))
    last_state = partial(read_state, handle, ImportState, what=what, within=connection.answer_within)
    sent = 0
    for number, page in enumerate(file.pages):
        if state.status is ImportStatus.IMPORTED:
            return state
        message = checked(ADD_PAGE.message, performed_by=performed_by, page=number, rows=page.packed)
        state = await command(
            handle,
            ADD_PAGE,
            message,
            ImportState,
            what=what,
            done_already=_is_imported,
            was_done=_unknown,
            last_state=last_state,
            is_over=_is_over,
            refusal=partial(_refusal, ADD_PAGE.name),
            within=connection.answer_within,
        )
        sent += page.rows
        progress(sent, file.rows)
    if state.status is ImportStatus.IMPORTED:
        return state
    finish = checked(FINISH.message, performed_by=performed_by, pages=len(file.pages), rows=file.rows)
    return await command(
        handle,
        FINISH,
        finish,
        ImportState,
        what=what,
        done_already=_is_imported,
        was_done=_unknown,
        last_state=last_state,
        is_over=_is_over,
        refusal=partial(_refusal, FINISH.name),
        within=APPLIED_WITHIN,
    )


def _is_imported(last: ImportState) -> bool:
    return last.status is ImportStatus.IMPORTED


def _is_over(last: ImportState) -> bool:
    return PROCESS.is_over(last.status)


async def _unknown(_key: str) -> bool:
    """Pages leave no operation; what was imported shows in the state."""
    return False


def _refusal(name: str, last: ImportState) -> InvalidState:
    return PROCESS.refusal(last.status, name, last.file_name)


def _presentable(name: str) -> str:
    """A file's name as the contract takes names."""
    printable = "".join(character if character.isprintable() else "?" for character in name)
    return printable[:_FILE_NAME_LENGTH].strip() or "?"


def _no_notice(note: str) -> None:
    """Stands for a caller that asked for no notes."""


def _no_progress(sent: int, rows: int) -> None:
    """Stands for a caller that asked for no progress."""
