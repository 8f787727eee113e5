"""One trace, from the service's call through the workflow to the statements, however often runs are replayed."""

import functools
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from opentelemetry.trace import StatusCode, get_tracer
from sqlalchemy import Engine, text
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.contrib.opentelemetry import OpenTelemetryInterceptor
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker

import worker
from devstack.stack import StackInfo
from stockkeeper import InsufficientStock, Line, Stockkeeper
from stockkeeper.client.connection import Connection, connect_temporal
from stockkeeper.contracts.converter import DATA_CONVERTER
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level
from tests.support.cycle_count import Counts
from tests.support.reservation import Orders
from tests.support.shop import Shop, new_reference
from tests.support.traces import SERVICE, Spans, spans_in_memory
from tests.support.wire import eventually
from worker import WORKFLOWS, Settings, build_database, working
from workflows.tracing import TracedRuns

PERSON = "Ana Müller"


@pytest.fixture(scope="module")
def spans(our_client: Client) -> Iterator[Spans]:
    """Of everything in this file; other files' clients are connected before, and send no context along."""
    del our_client
    with spans_in_memory() as spans:
        yield spans


@pytest.fixture(scope="module")
async def client(stack: StackInfo, spans: Spans) -> Client:
    """A client of ours that finds OpenTelemetry set up."""
    del spans
    return await connect_temporal(stack.temporal_address, stack.namespace)


@asynccontextmanager
async def _a_worker(client: Client, settings: Settings) -> AsyncIterator[Stockkeeper]:
    """A worker of its own, and a service's way to it."""
    own = settings.model_copy(update={"task_queue": new_reference("queue")})
    database = build_database(own)
    async with working(client, database, own):
        yield Stockkeeper(Connection(client, own.task_queue))
    database.engine.dispose()


@pytest.fixture(scope="module")
async def stock(client: Client, settings: Settings) -> AsyncIterator[Stockkeeper]:
    """A service."""
    async with _a_worker(client, settings) as stock:
        yield stock


def _names(engine: Engine, item: ItemKey) -> tuple[str, str]:
    """The item's SKU, and its warehouse's name."""
    query = text("SELECT sku, warehouses.name FROM products, warehouses WHERE (product_id, warehouse_id) = (:p, :w)")
    with engine.connect() as connection:
        sku, warehouse = connection.execute(query, {"p": item.product_id, "w": item.warehouse_id}).one()
    return sku, warehouse


RESERVE = """\
{root}
  Stockkeeper.reserve
    HandleUpdate:reserved
    RunWorkflow:ReservationWorkflow
      RunActivity:reserve_stock
        transaction
          pipeline
          pipeline
    find_items
      RunActivity:find_items
        SELECT products
        SELECT products
        SELECT products
        SELECT suppliers
        SELECT suppliers
        SELECT warehouses
        SELECT warehouses
        SELECT warehouses
        SELECT warehouses"""
FULFILL = """\
{root}
  Hold.fulfill
    HandleUpdate:fulfill
      RunActivity:fulfill_reservation
        transaction
          pipeline
          pipeline"""


@pytest.mark.parametrize("kept", [1_000, 0], ids=["runs stay in the worker", "runs are replayed for each task"])
async def test_an_order_is_one_trace_for_each_call(
    client: Client,
    settings: Settings,
    spans: Spans,
    shop: Shop,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    kept: int,
) -> None:
    monkeypatch.setattr(worker, "Worker", functools.partial(Worker, max_cached_workflows=kept))
    item, reference = shop.item(10), new_reference()
    sku, warehouse = _names(engine, item)
    checkout, packing = f"checkout of {reference}", f"packing of {reference}"
    async with _a_worker(client, settings) as stock:
        with get_tracer(SERVICE).start_as_current_span(checkout):
            hold = await stock.reserve(reference, [Line(sku, warehouse, quantity=3)], performed_by=PERSON)
        with get_tracer(SERVICE).start_as_current_span(packing):
            await hold.fulfill(performed_by=PERSON)
    assert level(engine, item) == (7, 0)
    assert spans.tree(checkout) == RESERVE.format(root=checkout)
    assert spans.tree(packing) == FULFILL.format(root=packing)
    spans.assert_each_is_one_of_its_trace()
    [reserving] = spans.named("RunActivity:reserve_stock", checkout)
    wanted = ("temporalWorkflowID", "stockkeeper.operation_id", "stockkeeper.attempt")
    assert [(reserving.attributes or {}).get(each) for each in wanted] == [
        *(f"reservation-{reference}", f"reservation-{reference}/reserve", 1),
    ]
    last = spans.named("pipeline", checkout)[-1].attributes or {}
    assert last["stockkeeper.commits"] is True
    assert "INSERT INTO operations" in str(last["db.query.summary"])
    told = "".join(each.to_json() for each in spans.all)
    assert [secret for secret in (PERSON, sku, warehouse) if secret in told] == []


async def test_a_replay_makes_no_spans(client: Client, stock: Stockkeeper, spans: Spans, shop: Shop) -> None:
    item, reference = shop.item(10), new_reference()
    hold = await stock.reserve(reference, [Line(item.product_id, item.warehouse_id, quantity=3)], performed_by=PERSON)
    await hold.fulfill(performed_by=PERSON)
    run = client.get_workflow_handle(f"reservation-{reference}")
    await run.result()
    history = await run.fetch_history()
    before = len(spans.all)
    replayer = Replayer(
        workflows=WORKFLOWS,
        data_converter=DATA_CONVERTER,
        workflow_runner=UnsandboxedWorkflowRunner(),
        interceptors=[OpenTelemetryInterceptor(), TracedRuns()],
    )
    assert (await replayer.replay_workflow(history)).replay_failure is None
    assert len(spans.all) == before


async def test_a_run_that_goes_on_in_another_one_stays_in_the_trace_of_its_start(
    client: Client, stock: Stockkeeper, spans: Spans, shop: Shop
) -> None:
    """A question under a fixed id has the run followed by another one at once (ADR 0027)."""
    item, reference = shop.item(10), new_reference()
    orders = Orders(client, stock.connection.task_queue)
    root = f"named {reference}"
    with get_tracer(SERVICE).start_as_current_span(root):
        await orders.reserve(reference, (item, 3), update_id=f"reserved-{reference}")
    expected = f"""\
{root}
  HandleUpdate:reserved
  RunWorkflow:ReservationWorkflow
    RunActivity:reserve_stock
      transaction
        pipeline
        pipeline
    RunWorkflow:ReservationWorkflow"""

    async def followed() -> bool:
        return len(spans.named("RunWorkflow:ReservationWorkflow", root)) == 2

    assert await eventually(followed, lambda seen: seen)
    assert spans.tree(root) == expected
    runs = [(each.attributes or {})["temporalRunID"] for each in spans.named("RunWorkflow:ReservationWorkflow", root)]
    assert len(set(runs)) == 2
    # A command to the second run is in its own caller's trace.
    packing = f"packing {reference}"
    with get_tracer(SERVICE).start_as_current_span(packing):
        await orders.fulfill(reference)
    assert spans.tree(packing) == FULFILL.format(root=packing).replace("  Hold.fulfill\n", "").replace("\n    ", "\n  ")
    spans.assert_each_is_one_of_its_trace()


async def test_a_step_through_the_task_queue_is_in_the_trace(
    client: Client, stock: Stockkeeper, spans: Spans, shop: Shop
) -> None:
    counts, number = Counts(client, stock.connection.task_queue), new_reference("count")
    root = f"large {number}"
    with get_tracer(SERVICE).start_as_current_span(root):
        await counts.open(number, *shop.items(51, 1))
    scheduled = await counts.history(number, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED)
    names = [each.activity_task_scheduled_event_attributes.activity_type.name for each in scheduled]
    assert names == ["open_count"]
    [step] = spans.named("RunActivity:open_count", root)
    [run] = spans.named("RunWorkflow:CycleCountWorkflow", root)
    assert step.parent is not None
    assert run.context is not None
    assert step.parent.span_id == run.context.span_id
    spans.assert_each_is_one_of_its_trace()


async def test_a_refusal_is_an_answer_and_no_error_of_the_trace_and_one_line_in_the_log(
    stock: Stockkeeper, spans: Spans, shop: Shop, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "stockkeeper.steps")
    item, reference = shop.item(2), new_reference()
    root = f"short {reference}"
    with get_tracer(SERVICE).start_as_current_span(root), pytest.raises(InsufficientStock):
        await stock.reserve(reference, [Line(item.product_id, item.warehouse_id, quantity=3)], performed_by=PERSON)
    assert level(engine, item) == (2, 0)
    for name in ("Stockkeeper.reserve", "RunActivity:reserve_stock"):
        [span] = spans.named(name, root)
        assert ((span.attributes or {})["error.type"], span.status.status_code) == (
            *("InsufficientStock", StatusCode.UNSET),
        )
    operation = f"reservation-{reference}/reserve"
    said = f"refused: reserve_stock of reservation-{reference}, InsufficientStock ({operation})"
    assert [record.getMessage() for record in caplog.records if operation in record.getMessage()] == [said]
