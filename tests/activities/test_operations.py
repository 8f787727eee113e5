"""Effect once: the same id never does anything twice."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from database.operations import Operation, Outcome, once
from stockkeeper.domain.errors import OperationConflict
from tests.support.shop import new_reference


def _operation(operation_id: str, kind: str = "count", **payload: Any) -> Operation:
    return Operation(operation_id, kind, payload or {"units": 1}, "tests", "workflow", "run")


class Effects:
    """Counts how often an effect happened that was committed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._name = new_reference("warehouse")

    @property
    def count(self) -> int:
        with self._engine.connect() as connection:
            query = text("SELECT count(*) FROM warehouses WHERE address = :name")
            return int(connection.execute(query, {"name": self._name}).scalar_one())

    def happen(self, connection: Connection) -> dict[str, int]:
        insert = text("INSERT INTO warehouses (name, address) VALUES (:unique, :name)")
        connection.execute(insert, {"unique": new_reference(), "name": self._name})
        return {"effects": 1}


@pytest.fixture
def effects(engine: Engine) -> Effects:
    """Nothing has happened yet."""
    return Effects(engine)


def _do(engine: Engine, operation: Operation, effects: Effects) -> Outcome:
    with engine.begin() as connection:
        return once(connection, operation, lambda: effects.happen(connection))


def _stored(engine: Engine, operation_id: str) -> int:
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM operations WHERE operation_id = :id")
        return int(connection.execute(query, {"id": operation_id}).scalar_one())


def test_an_operation_happens_and_keeps_its_result(engine: Engine, effects: Effects) -> None:
    operation = _operation(new_reference())
    assert _do(engine, operation, effects) == Outcome({"effects": 1}, done_already=False)
    assert effects.count == 1
    with engine.connect() as connection:
        row = connection.execute(
            text("SELECT kind, result, performed_by, workflow_id, run_id FROM operations WHERE operation_id = :id"),
            {"id": operation.operation_id},
        ).one()
    assert tuple(row) == ("count", {"effects": 1}, "tests", "workflow", "run")


def test_the_same_id_and_payload_gets_the_stored_result(engine: Engine, effects: Effects) -> None:
    operation_id = new_reference()
    _do(engine, _operation(operation_id, units=1, of="tea"), effects)
    repeated = _do(engine, _operation(operation_id, of="tea", units=1), effects)
    assert repeated == Outcome({"effects": 1}, done_already=True)
    assert effects.count == 1


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("count", {"units": 2}),
        ("count", {"units": "1"}),
        ("count", {"units": 1, "more": None}),
        ("count", {"unit": 1}),
        ("recount", {"units": 1}),
    ],
)
def test_the_same_id_with_another_payload_is_a_conflict(
    engine: Engine, effects: Effects, kind: str, payload: dict[str, Any]
) -> None:
    operation_id = new_reference()
    _do(engine, _operation(operation_id, units=1), effects)
    with pytest.raises(
        OperationConflict, match=f"^count was carried out with other contents before \\({operation_id}\\)$"
    ):
        _do(engine, _operation(operation_id, kind, **payload), effects)
    assert effects.count == 1
    assert _stored(engine, operation_id) == 1


def test_an_effect_that_is_rolled_back_leaves_no_operation(engine: Engine, effects: Effects) -> None:
    operation = _operation(new_reference())

    def fail(connection: Connection) -> None:
        effects.happen(connection)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), engine.begin() as connection:
        once(connection, operation, lambda: fail(connection))
    assert (effects.count, _stored(engine, operation.operation_id)) == (0, 0)
    assert _do(engine, operation, effects).done_already is False
    assert (effects.count, _stored(engine, operation.operation_id)) == (1, 1)


def test_eight_at_once_are_one_effect(engine: Engine, effects: Effects) -> None:
    operation = _operation(new_reference())
    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(lambda _: _do(engine, operation, effects), range(8)))
    assert sorted(outcome.done_already for outcome in outcomes) == [False] + [True] * 7
    assert [outcome.result for outcome in outcomes] == [{"effects": 1}] * 8
    assert effects.count == 1


def test_a_repeat_waits_for_the_first_and_takes_over_if_that_fails(engine: Engine, effects: Effects) -> None:
    operation = _operation(new_reference())
    with ThreadPoolExecutor(1) as threads:
        with engine.connect() as first:
            once(first, operation, lambda: effects.happen(first))
            second = threads.submit(_do, engine, operation, effects)
            while not _waits(engine, first):
                time.sleep(0.01)
            assert not second.done()
            first.rollback()
        assert second.result(10) == Outcome({"effects": 1}, done_already=False)
    assert effects.count == 1


def _waits(engine: Engine, first: Connection) -> bool:
    session = first.execute(text("SELECT pg_backend_pid()")).scalar_one()
    query = text("SELECT count(*) FROM pg_stat_activity WHERE :session = ANY (pg_blocking_pids(pid))")
    with engine.connect() as connection:
        return bool(connection.execute(query, {"session": session}).scalar_one())
