"""Imports a file: reads it, sends its pages one by one, and waits until all of it counts."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from temporalio.client import Client

from stockkeeper.client.calls import ANSWER_WITHIN, checked, command, start_and_ask
from stockkeeper.client.csv_files import CsvFile, read_csv
from stockkeeper.contracts.errors import InvalidState
from stockkeeper.contracts.import_file import (
    PROCESS,
    WORKFLOW_TYPE,
    AddPage,
    Finish,
    ImportKind,
    ImportRequest,
    ImportState,
    ImportStatus,
    workflow_id,
)

APPLIED_WITHIN = timedelta(hours=2)
"""How long to wait for the end: a large file takes minutes, and a database in trouble longer."""

Progress = Callable[[int, int], None]
"""Gets the rows that were sent, and all rows of the file."""

_ATTEMPTS = 5
_FILE_NAME_LENGTH = 200


async def import_file(
    client: Client,
    kind: ImportKind | str,
    path: Path | str,
    *,
    performed_by: str,
    task_queue: str,
    progress: Progress | None = None,
) -> ImportState:
    """Import a CSV file, all of it or nothing.

    The same file again, at the same time or later, changes nothing and answers with what the first import did. After
    a refusal it may be sent again, once what was wrong is right.

    Args:
        client: A connection with our converter.
        kind: What the rows are.
        path: The file: UTF-8, commas, a header.
        performed_by: Who imports it.
        task_queue: The workers' task queue.
        progress: Is told how far it is.

    Returns:
        The state, IMPORTED.

    Raises:
        InvalidRequest: Something is wrong with the file, and nothing has changed. The details have ``errors``, the
            first ten bad rows ``{line, column, message}``, and ``errors_total``.
        Unreachable: No answer in time. It may be imported: ask again.
    """
    file = await asyncio.to_thread(read_csv, ImportKind(kind), Path(path))
    attempt = 1
    while True:
        try:
            return await _send(client, file, performed_by, task_queue, progress or _nobody_watches)
        except InvalidState:
            # Somebody else was sending the same file, and their run ended without it; this one begins its own.
            if attempt == _ATTEMPTS:
                raise
            attempt += 1


async def _send(client: Client, file: CsvFile, performed_by: str, task_queue: str, progress: Progress) -> ImportState:
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
    state = await start_and_ask(
        client,
        WORKFLOW_TYPE,
        request,
        "opened",
        what=what,
        workflow_id=workflow_id(file.kind, file.digest),
        task_queue=task_queue,
        summary=f"{file.kind} from {request.file_name}: {file.rows} rows",
        state=ImportState,
        within=ANSWER_WITHIN,
    )
    # By its id alone: a long import goes on in another run.
    handle = client.get_workflow_handle(workflow_id(file.kind, file.digest))
    sent = 0
    for number, page in enumerate(file.pages):
        if state.status is ImportStatus.IMPORTED:
            return state
        message = checked(AddPage, performed_by=performed_by, page=number, rows=page.packed)
        state = await command(
            handle,
            "add_page",
            message,
            ImportState,
            what=what,
            done_already=_is_imported,
            refusal=partial(_refusal, "add_page"),
            within=ANSWER_WITHIN,
        )
        sent += page.rows
        progress(sent, file.rows)
    if state.status is ImportStatus.IMPORTED:
        return state
    finish = checked(Finish, performed_by=performed_by, pages=len(file.pages), rows=file.rows)
    return await command(
        handle,
        "finish",
        finish,
        ImportState,
        what=what,
        done_already=_is_imported,
        refusal=partial(_refusal, "finish"),
        within=APPLIED_WITHIN,
    )


def _refusal(name: str, last: ImportState) -> InvalidState:
    return PROCESS.refusal(last.status, name, last.file_name)


def _is_imported(last: ImportState) -> bool:
    return last.status is ImportStatus.IMPORTED


def _presentable(name: str) -> str:
    """A file's name as the contract takes names."""
    printable = "".join(character if character.isprintable() else "?" for character in name)
    return printable[:_FILE_NAME_LENGTH].strip() or "?"


def _nobody_watches(sent: int, rows: int) -> None:
    """Nobody asked how far it is."""
