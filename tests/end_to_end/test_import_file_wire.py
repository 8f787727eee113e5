"""An import as another language sees it: plain JSON, by update and by signal, right and wrong."""

import asyncio
import base64
import gzip
import json
import random

import pytest
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError

from devstack.stack import StackInfo
from tests.support.import_file import Imports, new_name
from tests.support.wire import Handle, Json, answer, eventually, refusal


class Foreign:
    """Another service that imports suppliers by plain JSON."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self.client = client
        self.task_queue = task_queue
        self.digest = new_name("x").encode().hex()[-16:]
        self.id = f"import-suppliers-{self.digest}"

    @property
    def handle(self) -> Handle:
        """Whatever run has the id."""
        return self.client.get_workflow_handle(self.id)

    def request(self) -> dict[str, Json]:
        """The start."""
        return {
            "kind": "suppliers",
            "file_name": "a.csv",
            "digest": self.digest,
            "columns": ["name"],
            "performed_by": "foreign",
        }

    async def open(self, **other: Json) -> Json:
        start: WithStartWorkflowOperation[Json, Json] = WithStartWorkflowOperation(
            "ImportWorkflow",
            self.request() | other,
            id=self.id,
            task_queue=self.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )
        try:
            return await answer(
                self.client.execute_update_with_start_workflow("opened", start_workflow_operation=start)
            )
        finally:
            await start.workflow_handle()

    async def send(self, command: str, **payload: Json) -> Json:
        return await answer(self.handle.execute_update(command, {"performed_by": "foreign"} | payload))

    async def signal(self, command: str, **payload: Json) -> None:
        await self.handle.signal(command, {"performed_by": "foreign"} | payload)

    async def state(self) -> Json:
        return await answer(self.handle.query("state"))


@pytest.fixture
def foreign(plain_client: Client, worker: None, stack: StackInfo) -> Foreign:
    """A client that knows the contract and none of our code."""
    del worker
    return Foreign(plain_client, stack.task_queue)


def _packed(*rows: list[Json]) -> str:
    return base64.b64encode(gzip.compress(json.dumps(rows).encode())).decode()


def _noise(page: int, row: int) -> str:
    """Text that hardly compresses."""
    return random.Random(page * 10_000 + row).randbytes(110).hex()


async def test_another_language_imports_by_the_contract(foreign: Foreign, imports: Imports) -> None:
    name = new_name("supplier")
    assert (await foreign.open())["status"] == "LOADING"
    state = await foreign.send("add_page", page=0, rows=_packed([2, [name]]))
    assert (state["rows"], state["pages"]) == (1, 1)
    state = await foreign.send("finish", pages=1, rows=1)
    assert state == {
        "kind": "suppliers",
        "file_name": "a.csv",
        "status": "IMPORTED",
        "rows": 1,
        "pages": 1,
        "inserted": 1,
        "updated": 0,
        "unchanged": 0,
        "already_imported": False,
        "errors": [],
        "errors_total": 0,
        "notes": [],
    }
    assert (await foreign.open())["already_imported"]
    assert imports.rows("SELECT count(*) FROM suppliers WHERE name = :name", name=name) == [(1,)]


async def test_the_same_by_signals_and_a_bad_one_is_noted(foreign: Foreign, imports: Imports) -> None:
    name = new_name("supplier")
    await foreign.open()
    await foreign.signal("add_page", page=0, rows="no page")
    await foreign.signal("add_page", page=0, rows=_packed([2, [name]]))
    await foreign.signal("finish", pages=2, rows=1)
    await foreign.signal("finish", pages=1, rows=1)
    state = await eventually(foreign.state, lambda state: state["status"] == "IMPORTED")
    assert [note.partition(": ")[2] for note in state["notes"]] == [
        "signal add_page refused: InvalidRequest: rows: must be gzip in Base64",
        "signal finish refused: InvalidRequest: 2 pages with 1 row announced, 1 page with 1 row received",
    ]
    assert imports.rows("SELECT count(*) FROM suppliers WHERE name = :name", name=name) == [(1,)]


async def test_a_wrong_page_or_count_is_refused_and_the_import_goes_on(foreign: Foreign) -> None:
    name = new_name("supplier")
    await foreign.open()
    refused = await refusal(foreign.send("add_page", page=0, rows=_packed([2, [""]], [3, [name]])))
    assert (refused.type, refused.details) == (
        "InvalidRequest",
        {"errors": [{"line": 2, "column": "name", "message": "needs a value"}], "errors_total": 1},
    )
    assert (await refusal(foreign.send("add_page", page=-1, rows=""))).type == "InvalidRequest"
    await foreign.send("add_page", page=0, rows=_packed([2, [name]]))
    assert (await refusal(foreign.send("finish", pages=1, rows=2))).type == "InvalidRequest"
    assert (await foreign.state())["status"] == "LOADING"
    assert (await foreign.send("finish", pages=1, rows=1))["status"] == "IMPORTED"


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"kind": "orders"}, "kind: "),
        ({"columns": ["name", "phone"]}, "there is no column 'phone'"),
        ({"columns": []}, "columns: "),
        (
            {"digest": "0123456789abcdef"},
            "this file has to be started under the workflow id import-suppliers-0123456789abcdef",
        ),
        ({"kind": "warehouses"}, "this file has to be started under the workflow id import-warehouses-"),
        ({"extra": 1}, "extra: "),
    ],
)
async def test_a_wrong_start_fails_the_run(foreign: Foreign, other: Json, message: str) -> None:
    refused = await refusal(foreign.open(**other))
    assert refused.type == "InvalidRequest"
    assert refused.message.startswith(message)
    with pytest.raises(WorkflowFailureError):
        await answer(foreign.handle.result())


async def test_a_long_import_goes_on_in_another_run(foreign: Foreign, imports: Imports) -> None:
    await foreign.open(columns=["name", "email"])
    first_run = (await foreign.handle.describe()).run_id
    await foreign.signal("add_page", page=0, rows="no page")
    pages = 0
    # Names and mail addresses of random letters: pages that fill a history as fast as pages can.
    while (await foreign.handle.describe()).run_id == first_run:
        assert pages < 60, "the history grows, and the run never ends"
        rows = [
            [pages * 1_700 + row + 2, [f"{foreign.id}-{pages}-{row}-{noise[:140]}", f"{noise[-64:]}@x.at"]]
            for row in range(1_700)
            if (noise := _noise(pages, row))
        ]
        state = await foreign.send("add_page", page=pages, rows=_packed(*rows))
        pages += 1
        assert (state["pages"], state["rows"]) == (pages, pages * 1_700)
    await foreign.signal("add_page", page=0, rows="no page")
    state = await eventually(foreign.state, lambda state: len(state["notes"]) == 2)
    assert (state["status"], state["pages"], state["rows"]) == ("LOADING", pages, pages * 1_700)
    state = await foreign.send("finish", pages=pages, rows=pages * 1_700)
    assert (state["status"], state["inserted"]) == ("IMPORTED", pages * 1_700)
    assert await answer(foreign.handle.result()) == state
    first = foreign.client.get_workflow_handle(foreign.id, run_id=first_run)
    assert (await first.describe()).status is WorkflowExecutionStatus.CONTINUED_AS_NEW
    assert imports.rows("SELECT count(*) FROM suppliers WHERE starts_with(name, :id)", id=foreign.id) == [
        (pages * 1_700,)
    ]


async def test_a_cancelled_workflow_forgets_its_pages(foreign: Foreign, imports: Imports) -> None:
    await foreign.open()
    await foreign.send("add_page", page=0, rows=_packed([2, ["A"]]))
    await foreign.handle.cancel()
    state = await answer(foreign.handle.result())
    assert state["status"] == "ABANDONED"
    assert imports.rows("SELECT count(*) FROM import_pages WHERE import_id = :id", id=foreign.id) == [(0,)]
    with pytest.raises(RPCError):
        await foreign.send("finish", pages=1, rows=1)


async def test_a_workflow_that_is_cancelled_at_once_changes_nothing(foreign: Foreign, imports: Imports) -> None:
    before = imports.everything()
    handle: Handle = await foreign.client.start_workflow(
        "ImportWorkflow", foreign.request(), id=foreign.id, task_queue=foreign.task_queue
    )
    await handle.cancel()
    assert (await answer(handle.result()))["status"] == "ABANDONED"
    assert imports.everything() == before


async def test_after_a_terminated_run_the_file_comes_anew(foreign: Foreign, imports: Imports) -> None:
    name = new_name("supplier")
    await foreign.open()
    await foreign.send("add_page", page=0, rows=_packed([2, ["left behind"]]))
    await foreign.send("add_page", page=1, rows=_packed([3, ["left behind, too"]]))
    await foreign.handle.terminate()
    assert (await foreign.open())["pages"] == 0
    await foreign.send("add_page", page=0, rows=_packed([2, [name]]))
    assert (await foreign.send("finish", pages=1, rows=1))["inserted"] == 1
    assert imports.rows("SELECT name FROM suppliers WHERE name IN (:name, 'left behind')", name=name) == [(name,)]


async def test_commands_that_come_together_are_carried_out_one_by_one(foreign: Foreign) -> None:
    await foreign.open()
    prefix = new_name("supplier")
    pages = [foreign.send("add_page", page=page, rows=_packed([page + 2, [f"{prefix}-{page}"]])) for page in range(8)]
    await asyncio.gather(*pages)
    finishes = await asyncio.gather(*(foreign.send("finish", pages=8, rows=8) for _ in range(3)))
    assert [state["inserted"] for state in finishes] == [8, 8, 8]
