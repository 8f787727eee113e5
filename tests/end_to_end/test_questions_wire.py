"""Questions over the wire: whatever a plain client sends is answered at once, and never tried again for ever."""

import contextlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import ActivityFailureError, Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError

from activities.event_subscriber import EventSubscriberSteps
from database.sessions import Database
from stockkeeper.contracts.policies import events_queue
from stockkeeper.contracts.question import QUESTIONS, WORKFLOW_TYPE
from tests.support.bad_questions import MALFORMED
from tests.support.books import nothing_is_stored
from tests.support.shop import new_reference
from tests.support.wire import Json, few_at_once
from worker import Settings, activities_of, build_steps

IN_TIME = timedelta(seconds=15)

FIELDS: list[tuple[str, Json, str]] = [
    ("show_levels", {"product": 1e-9}, "product: Input should be a valid string"),
    ("show_levels", {"product": None, "colour": "red"}, "colour: Extra inputs are not permitted"),
    ("show_levels", {"after": ["x"]}, "after.1: Field required"),
    ("show_in_transit", {"from_warehouse": []}, "from_warehouse: Input should be a valid string"),
    ("find_items", {"products": None}, "products: Input should be a valid array"),
    (
        "find_terms",
        {"supplier_id": None},
        "supplier_id: Input should be a valid integer; product_ids: Field required",
    ),
    ("show_stock_at", {}, "as_of: Field required"),
    (
        "show_stock_at",
        {"as_of": "2026-01-01T00:00:00"},
        "as_of: Input should have timezone info",
    ),
    (
        "show_history",
        {"product": "TEA", "warehouse": 7},
        "warehouse: Input should be a valid string",
    ),
    ("show_plans", {"product": True}, "product: Input should be a valid string"),
    ("show_findings", {"status": "open"}, "status: Input should be 'OPEN', 'GONE', 'REPAIRED' or 'ACCEPTED'"),
    ("show_accuracy", {"since": "2026-02-30"}, "since: there is no such day"),
    ("show_product", {}, "product: Field required"),
    ("search_products", {"text": ""}, "text: String should have at least 1 character"),
    ("search_products", {"text": "tea", "limit": 201}, "limit: Input should be less than or equal to 200"),
    ("promise", {"lines": [{"quantity": 1}]}, "lines.0: give product or product_id"),
    (
        "promise",
        {"lines": [{"product": "x", "quantity": 1}], "as_of": "9999-12-31T23:59:59Z"},
        "as_of: must be between 1970 and 2199",
    ),
    (
        "promise",
        {"lines": [{"product": "x", "warehouse": "y", "warehouse_id": 1, "quantity": 0}], "confidence": 1},
        "lines.0.quantity: Input should be greater than 0; confidence: Input should be less than or equal to 0.999",
    ),
    (
        "set_buffer",
        {
            "operation_id": "o",
            "performed_by": "ann",
            "as_of": "2026-01-01T00:00:00Z",
            "product": "x",
            "warehouse": "y",
            "quantity": -1,
        },
        "quantity: Input should be greater than or equal to 0",
    ),
    (
        "set_buffer",
        {
            "operation_id": "o",
            "performed_by": "ann",
            "as_of": "2026-01-01T00:00:00Z",
            "product": "x",
            "warehouse": "y",
            "quantity": "5",
        },
        "quantity: Input should be a valid integer",
    ),
    (
        "rename_product",
        {"operation_id": "o", "performed_by": "ann", "as_of": "2026-01-01T00:00:00Z", "product": "x", "sku": [[]]},
        "sku: Input should be a valid string",
    ),
    (
        "rename_product",
        {"operation_id": "o", "performed_by": "ann", "as_of": "2026-01-01T00:00:00Z", "product": "x", "sku": "id:7"},
        "sku: must not begin with id:, which stands for a product's id",
    ),
    ("read_scan", {"text": ""}, "text: String should have at least 1 character"),
    ("read_scan", {"text": 4006381333931}, "text: Input should be a valid string"),
    ("export_barcodes", {"after": 1}, "after: Input should be a valid string"),
    (
        "forget_barcode",
        {"operation_id": "o", "performed_by": "ann", "as_of": "2026-01-01T00:00:00Z", "barcode": None},
        "barcode: Input should be a valid string",
    ),
    (
        "set_planning",
        {
            "operation_id": "o",
            "performed_by": "ann",
            "as_of": "2026-01-01T00:00:00Z",
            "product": "x",
            "planning": "often",
        },
        "warehouse: Field required; planning: Input should be 'auto' or 'manual'",
    ),
]
"""Fields that are wrong, and the refusal."""


class _Plain:
    """A client that asks by activities and by workflows, with no policy of its own."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client = client
        self._task_queue = task_queue

    async def by_activity(
        self, name: str, payload: Sequence[Json], queue: Callable[[str], str] = lambda own: own
    ) -> tuple[str | None, str]:
        with pytest.raises(ActivityFailureError) as failed:
            await self._client.execute_activity(
                name,
                args=list(payload),
                id=new_reference("asked"),
                task_queue=queue(self._task_queue),
                schedule_to_close_timeout=IN_TIME,
                # A task that went to a poll which nobody was behind any more is handed out again.
                start_to_close_timeout=IN_TIME / 3,
            )
        return _seen(failed.value)

    async def by_workflow(self, name: str, payload: Json) -> tuple[str | None, str]:
        run = await self.begin(name, payload)
        with pytest.raises(WorkflowFailureError) as failed:
            await run.result()
        return _seen(failed.value)

    async def begin(self, name: str, payload: Json) -> WorkflowHandle[Any, Any]:
        return await self._client.start_workflow(
            WORKFLOW_TYPE,
            {"question": name, "payload": payload},
            id=new_reference("asked"),
            task_queue=self._task_queue,
            execution_timeout=IN_TIME,
        )


def _seen(failed: ActivityFailureError | WorkflowFailureError) -> tuple[str | None, str]:
    cause = failed.cause
    assert isinstance(cause, ApplicationError), repr(cause)
    return cause.type, cause.message


@pytest.fixture
def plain(plain_client: Client, worker: None, settings: Settings) -> _Plain:
    """A service of any language, while a worker runs."""
    del worker
    return _Plain(plain_client, settings.task_queue)


async def test_a_malformed_question_is_refused_at_once(plain: _Plain, engine: Engine) -> None:
    """Each by one question; that every question refuses each, `tests/activities/test_edge.py` shows."""

    async def asked(name: str, payload: Sequence[Json], told: str) -> None:
        assert await plain.by_activity(name, payload) == ("InvalidRequest", told), (name, payload)

    with nothing_is_stored(engine):
        await few_at_once(
            *(
                lambda each=each: asked("show_levels", each[0], each[1].format(model="ShowLevels"))
                for each in MALFORMED.values()
            ),
            *(lambda field=field: asked(field[0], [field[1]], field[2]) for field in FIELDS),
            lanes=20,
        )


async def test_a_workflow_refuses_a_malformed_question_in_the_same_words(plain: _Plain, engine: Engine) -> None:
    async def asked(name: str, payload: Json, told: str) -> None:
        assert await plain.by_workflow(name, payload) == ("InvalidRequest", told), (name, payload)

    with nothing_is_stored(engine):
        await few_at_once(
            *(lambda field=field: asked(*field) for field in FIELDS),
            lanes=20,
        )


async def test_a_question_that_a_workflow_answers_says_in_the_ui_what_has_become_of_it(plain: _Plain) -> None:
    async def told(name: str) -> str:
        run = await plain.begin(name, {})
        with contextlib.suppress(WorkflowFailureError):
            await run.result()
        metadata = await run.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
        return str(metadata.current_details).strip()

    assert await told("show_levels") == "**ANSWERED** · `show_levels`: the answer is the result of the run."
    refused = await told("list_shelves")
    assert refused.startswith("**REFUSED** · InvalidRequest: question: none is named 'list_shelves'; there are ")
    assert refused.endswith(". Nothing has changed. Next: correct the request, and start it again.")


async def test_no_activity_that_a_client_can_reach_is_left_trying(
    plain: _Plain, database: Database, settings: Settings, engine: Engine
) -> None:
    async def asked(name: str, queue: Callable[[str], str]) -> None:
        code, told = await plain.by_activity(name, [None], queue)
        assert (code, told.partition(" ")[2]) == ("InvalidRequest", "has to be a JSON object; null was sent"), name

    def names_of(*steps: object) -> set[str]:
        reachable: list[Any] = activities_of(*steps)
        return {each.__temporal_activity_definition.name for each in reachable}

    steps = build_steps(database, settings)
    waiting = names_of(*(each for each in steps if isinstance(each, EventSubscriberSteps)))
    names = names_of(*steps) - waiting
    assert (names > set(QUESTIONS), waiting) == (True, {"check_subscription", "deliver_events"})
    everywhere = [partial(asked, name, lambda own: own) for name in names]
    with nothing_is_stored(engine):
        await few_at_once(*everywhere, *(partial(asked, name, events_queue) for name in waiting), lanes=10)
