"""The question whether a step was carried out: done, with what, or not; a step that is under way is waited for."""

import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, text
from temporalio.testing import ActivityEnvironment

from activities.operations import OperationQuestions
from database.locks import lock_items
from database.sessions import Database
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.messages import parse
from stockkeeper.contracts.operation import FindOperation, OperationFound
from stockkeeper.contracts.reservation import FulfillLine
from tests.support.books import nothing_changes
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import forget
from tests.support.steps.reservation import Steps

PARCEL = [FulfillLine(product_id=7, quantity=1)]


_CUT = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE :session = ANY (pg_blocking_pids(pid))")
"""Ends the sessions that wait for another one."""


def _ask(database: Database, **fields: Any) -> OperationFound:
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, activity_type="find_operation")
    return environment.run(OperationQuestions(database).find_operation, FindOperation(**fields))


def _parcel(reference: str, **more: Any) -> dict[str, Any]:
    return {"workflow_id": f"reservation-{reference}", "command": "fulfill", "key": "p/1"} | more


def _contents(reference: str, lines: list[FulfillLine]) -> dict[str, Any]:
    return {
        "kind": "fulfill_reservation",
        "payload": {
            "reference_type": "ORDER",
            "reference_id": reference,
            "lines": [line.model_dump(mode="json") for line in lines],
        },
    }


def test_a_step_that_was_carried_out_is_found_with_its_answer(
    steps: Steps, shop: Shop, database: Database, engine: Engine
) -> None:
    item, reference = shop.item(10), new_reference()
    parcel = [FulfillLine(product_id=item.product_id, quantity=1)]
    steps.reserve(reference, (item, 4))
    shipped = steps.fulfill(reference, parcel, operation="p%2F1")
    with nothing_changes(engine, item):
        found = _ask(database, **_parcel(reference))
        assert (found.operation_id, found.done, found.same) == (f"reservation-{reference}/fulfill/p%2F1", True, None)
        assert (found.kind, found.performed_by, found.result) == (
            *("fulfill_reservation", "picker"),
            shipped.model_dump(mode="json"),
        )
        assert _ask(database, operation_id=found.operation_id) == found
        assert _ask(database, **_parcel(reference), **_contents(reference, parcel)).same is True
        another = [FulfillLine(product_id=item.product_id, quantity=2)]
        assert _ask(database, **_parcel(reference), **_contents(reference, another)).same is False


def test_a_step_that_was_not_carried_out_is_not_found(
    steps: Steps, shop: Shop, database: Database, engine: Engine
) -> None:
    item, reference = shop.item(10), new_reference()
    steps.reserve(reference, (item, 4))
    with nothing_changes(engine, item):
        found = _ask(database, **_parcel(reference))
    assert found == OperationFound(operation_id=f"reservation-{reference}/fulfill/p%2F1", done=False)


def test_a_forgotten_step_is_found_by_its_movements(
    steps: Steps, shop: Shop, database: Database, engine: Engine
) -> None:
    item, reference = shop.item(10), new_reference()
    steps.reserve(reference, (item, 4))
    steps.fulfill(reference, operation="p%2F1")
    forget(engine, f"reservation-{reference}/fulfill/p%2F1")
    found = _ask(database, **_parcel(reference), **_contents(reference, PARCEL))
    assert (found.done, found.same, found.performed_by, found.result) == (True, None, "picker", None)


@pytest.mark.parametrize("ending", ["committed", "rolled back"])
def test_a_step_that_is_under_way_is_waited_for(
    steps: Steps, shop: Shop, database: Database, engine: Engine, ending: str
) -> None:
    item, reference = shop.item(10), new_reference()
    steps.reserve(reference, (item, 4))
    with ThreadPoolExecutor(2) as threads:
        with engine.connect() as holder:
            lock_items(holder, [item])
            shipping = threads.submit(steps.fulfill, reference, operation="p%2F1")
            _wait_for(engine, sessions=1)
            asking = threads.submit(_ask, database, **_parcel(reference))
            _wait_for(engine, sessions=2)
            assert not asking.done()
            if ending == "rolled back":
                with engine.connect() as beside:
                    beside.execute(_CUT, {"session": holder.execute(text("SELECT pg_backend_pid()")).scalar_one()})
        if ending == "committed":
            shipping.result(10)
        else:
            assert shipping.exception(10) is not None
        assert asking.result(10).done is (ending == "committed")


def _wait_for(engine: Engine, *, sessions: int) -> None:
    """Return once so many of the worker's sessions wait for a lock."""
    query = text("""
        SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'stockkeeper-worker' AND cardinality(pg_blocking_pids(pid)) > 0
    """)
    deadline = time.monotonic() + 10
    while True:
        with engine.connect() as connection:
            if connection.execute(query).scalar_one() == sessions:
                return
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"workflow_id": "reservation-7", "command": "fulfill"},
        {"operation_id": "reservation-7/reserve", "key": "p"},
        {"operation_id": None, "workflow_id": "reservation-7", "key": "p"},
    ],
    ids=str,
)
def test_an_operation_is_named_in_one_way(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match=r"^give operation_id, or workflow_id, command and key$"):
        parse(FindOperation, [fields])


def test_contents_are_compared_with_their_kind() -> None:
    with pytest.raises(InvalidRequest, match=r"^give kind and payload together, or neither$"):
        parse(FindOperation, [{"operation_id": "x", "payload": {}}])
