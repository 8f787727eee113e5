"""Records a run of each way in which an import can end.

`python -m tests.replay.record_import_file DIRECTORY` brings up a stack of its own and writes the histories there, or to
where the replay tests look for them.
"""

import asyncio
import contextlib
import json
import random
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from contracts.import_file import AddPage, Finish, ImportKind, ImportRequest, encode_row, pack_rows, workflow_id
from devstack.setup import set_up
from devstack.stack import running_stack
from starter.connection import connect_temporal
from tests.replay.record import HISTORIES, without_names
from worker import Settings, build_database, build_worker

_Handle = WorkflowHandle[Any, Any]
_BY = "recorder"


class _File:
    """A suppliers file on its way in, command by command."""

    def __init__(self, client: Client, task_queue: str, digest: str, columns: list[str]) -> None:
        self._client = client
        self._task_queue = task_queue
        self._id = workflow_id(ImportKind.SUPPLIERS, digest)
        self._request = ImportRequest(
            kind=ImportKind.SUPPLIERS, file_name="suppliers.csv", digest=digest, columns=columns, performed_by=_BY
        )
        self._pages = 0
        self._rows = 0

    async def begin(self) -> _Handle:
        """Start the workflow; the handle is that of this run."""
        started: _Handle = await self._client.start_workflow(
            "ImportWorkflow", self._request, id=self._id, task_queue=self._task_queue
        )
        return self._client.get_workflow_handle(self._id, run_id=started.result_run_id)

    @property
    def latest(self) -> _Handle:
        """Whatever run there is now."""
        return self._client.get_workflow_handle(self._id)

    async def add(self, *rows: list[str]) -> None:
        """Send a page."""
        packed = pack_rows([encode_row(line, cells) for line, cells in enumerate(rows, self._rows + 2)])
        await self.latest.execute_update("add_page", AddPage(performed_by=_BY, page=self._pages, rows=packed))
        self._pages += 1
        self._rows += len(rows)

    async def finish(self) -> None:
        """That was all."""
        await self.latest.execute_update("finish", Finish(performed_by=_BY, pages=self._pages, rows=self._rows))


async def record_import_file(client: Client, task_queue: str) -> dict[str, str]:
    """Run an import to each of its ends, with a worker at the other end.

    Returns:
        The histories as JSON, by the name of their file.
    """
    histories = {}
    for name, run in ENDINGS.items():
        handle = await run(client, task_queue)
        history = without_names(json.loads((await handle.fetch_history()).to_json()))
        histories[f"import_file_{name}.json"] = json.dumps(history, indent=1, sort_keys=True) + "\n"
    return histories


async def _imported(client: Client, task_queue: str) -> _Handle:
    file = _File(client, task_queue, f"{1:016x}", ["name", "email"])
    handle = await file.begin()
    await file.latest.execute_update("opened")
    await file.add(["Acme", "a@x.at"], ["Best", ""])
    await file.latest.signal("add_page", {"page": 1})
    await file.latest.signal("hurry")
    await file.add(["Clark", ""])
    await file.finish()
    await handle.result()
    return handle


async def _recognized(client: Client, task_queue: str) -> _Handle:
    handle = await _File(client, task_queue, f"{1:016x}", ["name", "email"]).begin()
    await handle.result()
    return handle


async def _refused(client: Client, task_queue: str) -> _Handle:
    file = _File(client, task_queue, f"{2:016x}", ["name"])
    handle = await file.begin()
    await file.add(["Dorn"], ["Dorn"])
    with contextlib.suppress(Exception):
        await file.finish()
    await handle.result()
    return handle


async def _cancelled(client: Client, task_queue: str) -> _Handle:
    file = _File(client, task_queue, f"{3:016x}", ["name"])
    handle = await file.begin()
    await file.add(["Ems"])
    await handle.cancel()
    await handle.result()
    return handle


async def _failed(client: Client, task_queue: str) -> _Handle:
    handle = await _File(client, task_queue, f"{4:016x}", ["phone"]).begin()
    with contextlib.suppress(WorkflowFailureError):
        await handle.result()
    return handle


async def _continued(client: Client, task_queue: str) -> _Handle:
    """The run that goes on after a long one; the long one is megabytes, and has nothing that others haven't."""
    file = _File(client, task_queue, f"{5:016x}", ["name", "email"])
    first = await file.begin()
    page = 0
    while (last := (await file.latest.describe()).run_id) == first.run_id:
        page += 1
        await file.add(*([f"{page}-{row}", f"{random.Random(row).randbytes(110).hex()}@x.at"] for row in range(1_700)))
    await file.add(["Final", ""])
    await file.finish()
    handle: _Handle = client.get_workflow_handle(file.latest.id, run_id=last)
    await handle.result()
    return handle


ENDINGS: Mapping[str, Callable[[Client, str], Awaitable[_Handle]]] = {
    "imported": _imported,
    "recognized": _recognized,
    "refused": _refused,
    "cancelled": _cancelled,
    "failed": _failed,
    "continued": _continued,
}
"""Each way that an import can go, in the order in which they are played: what is recognized was imported."""


async def _main(directory: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        async with running_stack(Path(scratch) / "stack", fast=True, headless=True, environ={}) as stack:
            client = await connect_temporal(stack.temporal_address, stack.namespace)
            await set_up(client, stack.database_url)
            settings = Settings(
                database_url=SecretStr(stack.database_url),
                database_role="stockkeeper_worker",
                task_queue=stack.task_queue,
            )
            database = build_database(settings)
            async with build_worker(client, database, settings):
                for name, history in (await record_import_file(client, stack.task_queue)).items():
                    (directory / name).write_text(history)
            database.engine.dispose()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]) if len(sys.argv) > 1 else HISTORIES))
