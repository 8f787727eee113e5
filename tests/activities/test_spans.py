"""Spans of statements, and of transactions that steps share; and the lines that a repeated step leaves in the log."""

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from opentelemetry.trace import StatusCode, get_tracer
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from database.pipeline import Statement, send
from database.sessions import Database
from database.spans import _described, make_spans
from tests.support.shop import Shop, new_reference
from tests.support.steps.adjustment import AdjustmentCalls
from tests.support.steps.reservation import Steps
from tests.support.steps.together import together
from tests.support.steps.transfer import TransferCalls
from tests.support.traces import SERVICE, Spans, spans_in_memory
from worker import Settings, build_database


@pytest.fixture(scope="module")
def traced(settings: Settings) -> Iterator[tuple[Database, Spans]]:
    """A worker's database, with spans."""
    database = build_database(settings)
    with spans_in_memory() as spans:
        make_spans(database.engine)
        yield database, spans
    database.engine.dispose()


def _within(name: str, call: Callable[[], Any]) -> Callable[[], Any]:
    def within() -> Any:
        with get_tracer(SERVICE).start_as_current_span(name):
            return call()

    return within


def test_steps_that_share_a_transaction_have_one_span_of_it_and_the_others_are_linked(
    traced: tuple[Database, Spans], shop: Shop
) -> None:
    database, spans = traced
    item, references = shop.item(10), [new_reference() for _ in range(3)]
    steps = Steps(database)
    calls = [_within(each, partial(steps.reserve, each, (item, 2))) for each in references]
    assert [each.status for each in together(database, *calls)] == ["ACTIVE"] * 3
    leader, *others = references
    assert spans.tree(leader) == f"{leader}\n  transaction\n    pipeline\n    pipeline"
    [shared] = spans.named("transaction", leader)
    assert shared.context is not None
    assert (shared.attributes or {})["stockkeeper.steps"] == 3
    joined = [spans.named(each)[0] for each in others]
    assert [link.context.span_id for link in shared.links] == [each.context.span_id for each in joined if each.context]
    for each in joined:
        assert [link.context.span_id for link in each.links] == [shared.context.span_id]
    assert [spans.tree(each) for each in others] == others


def test_a_statement_that_fails_says_so_by_its_code_and_shows_no_value(
    traced: tuple[Database, Spans],
) -> None:
    database, spans = traced
    name = new_reference("secret")
    root = new_reference("failing")

    def by_cursor() -> None:
        with database.transaction() as connection:
            connection.execute(text("SELECT CAST(:name AS integer)"), {"name": name})

    def by_pipeline() -> None:
        with database.transaction() as connection:
            send(connection, [Statement("SELECT %s::text::integer", (name,))])

    for way, call in (("cursor", by_cursor), ("pipeline", by_pipeline)):
        with pytest.raises(DBAPIError):
            _within(f"{root} {way}", call)()
    assert spans.tree(f"{root} cursor") == f"{root} cursor\n  SELECT CAST (22P02)"
    assert spans.tree(f"{root} pipeline") == f"{root} pipeline\n  pipeline (22P02)"
    failed = [each for each in spans.all if (each.attributes or {}).get("error.type") == "22P02"]
    assert [each.status.status_code for each in failed] == [StatusCode.ERROR] * 2
    assert name not in "".join(each.to_json() for each in failed)


def test_statements_outside_of_any_span_make_none(traced: tuple[Database, Spans]) -> None:
    database, spans = traced
    before = len(spans.all)
    with database.transaction() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
        assert send(connection, [Statement("SELECT 2")]) == [[(2,)]]
    assert len(spans.all) == before


@pytest.mark.parametrize(
    ("statement", "summary"),
    [
        ("SELECT a FROM inventory_items WHERE b FOR NO KEY UPDATE OF inventory_items", "SELECT inventory_items"),
        ("  SELECT pg_advisory_xact_lock(key)\n FROM unnest(%s::bigint[]) AS key", "SELECT pg_advisory_xact_lock"),
        ("INSERT INTO operations (a) SELECT 1 ON CONFLICT DO UPDATE SET a = 2", "INSERT INTO operations"),
        ("WITH x AS (SELECT 1 FROM a) UPDATE inventory_items SET b = 1 FROM x", "UPDATE inventory_items"),
        ("WITH x AS (SELECT 1 FROM holds) SELECT * FROM x", "SELECT holds"),
        ("DELETE FROM operations WHERE true", "DELETE FROM operations"),
        ("SET LOCAL lock_timeout = '200ms'", "SET"),
        ("COMMIT", "COMMIT"),
    ],
)
def test_a_statement_is_named_by_what_it_does_and_to_what(statement: str, summary: str) -> None:
    assert _described(statement) == (summary, " ".join(statement.split()))


def test_a_repeated_step_is_one_line_in_the_log(
    database: Database, shop: Shop, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    del engine
    caplog.set_level(logging.INFO, "stockkeeper.steps")
    item, reference = shop.item(10), new_reference()
    steps = Steps(database)
    first = steps.reserve(reference, (item, 2))
    assert caplog.records == []
    assert steps.reserve(reference, (item, 2)) == first.model_copy(update={"is_repeat": True})
    [record] = caplog.records
    operation = f"reservation-{reference}/reserve"
    assert record.getMessage() == f"repeated: reserve_stock of reservation-{reference} ({operation})"
    assert vars(record)["stockkeeper"] == {
        "outcome": "repeated",
        "step": "reserve_stock",
        "workflow_id": f"reservation-{reference}",
        "run_id": "run",
        "operation_id": operation,
    }


def test_so_is_one_on_a_document_and_one_with_a_transaction_of_its_own(
    database: Database, shop: Shop, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    del engine
    item = shop.item(10)
    transfers, adjustments = TransferCalls(database), AdjustmentCalls(database)
    transfer, adjustment = transfers.held(shop.warehouse(), (item, 2)), new_reference("a")
    caplog.set_level(logging.INFO, "stockkeeper.steps")
    for _ in range(2):
        transfers.dispatch(transfer, dispatch_id="d-1")
        adjustments.submit(adjustment, (item, -1))
    assert [record.getMessage() for record in caplog.records] == [
        f"repeated: dispatch_transfer of transfer-{transfer} (transfer-{transfer}/dispatch/d-1)",
        f"repeated: submit_adjustment of adjustment-{adjustment} (adjustment-{adjustment}/submit)",
    ]
