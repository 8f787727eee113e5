"""Lists, inboxes and documents when runs were paused, terminated, started again or forgotten: the database answers."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Engine
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.runs import Runs
from stockkeeper import (
    InspectionLine,
    InsufficientStock,
    InvalidState,
    Line,
    NotFound,
    OrderLine,
    Stockkeeper,
    UnknownProduct,
    Unreachable,
)
from stockkeeper.client import by_hand, runs
from stockkeeper.client.connection import Connection
from stockkeeper.client.document import Document, Listing
from stockkeeper.client.questions import ask
from stockkeeper.contracts import stock_audit
from stockkeeper.contracts.question import Question
from stockkeeper.contracts.reservation import ReservationStatus
from stockkeeper.contracts.stock_audit import FindHolders, FindRunning, StockAuditRequest, StockAuditState
from stockkeeper.domain.stock import ItemKey
from tests.support.books import nothing_changes
from tests.support.interventions import forget, paused
from tests.support.lots import lot_item
from tests.support.shop import Shop, new_reference
from tests.support.steps.adjustment import dear_item
from tests.support.steps.purchase_order import policy_of
from tests.support.steps.replenishment_plan import names
from tests.support.wire import eventually

PAUSED = "its run is paused, and takes no commands until `temporal workflow unpause`"
Doc = Document[Any]


class Beside(NamedTuple):
    """What a document needs beside an item: a transfer's destination, an order's supplier."""

    warehouse_id: int
    supplier_id: int


@dataclass(frozen=True)
class Kind:
    """A kind of document, as these tests make and command it.

    Attributes:
        make: Makes one of that number.
        listing: The client's list.
        find: The client's way to one.
        first: Its status at first.
        ended: The status that its last command leads to.
        end: The name of that command.
        other: A command that comes too late then.
        too_late: The refusal of that.
        item: Makes what documents of these numbers are about.
        ending: What the last command says beside a person and a reason.
    """

    make: Callable[[Stockkeeper, Beside, ItemKey, str], Awaitable[Doc]]
    listing: Callable[[Stockkeeper], Listing[Any]]
    find: Callable[[Stockkeeper, str], Awaitable[Doc]]
    first: str
    ended: str
    end: str
    other: Callable[[Any, ItemKey], Awaitable[Any]]
    too_late: str
    item: Callable[[Shop, Sequence[str]], ItemKey] = lambda shop, _: dear_item(shop)
    ending: Mapping[str, str] = field(default_factory=dict)


def line(item: ItemKey, quantity: int = 1) -> Line:
    return Line(product_id=item.product_id, warehouse_id=item.warehouse_id, quantity=quantity)


def moved(item: ItemKey, quantity: int = 1) -> Line:
    return Line(product_id=item.product_id, quantity=quantity)


async def _recalled(stock: Stockkeeper, item: ItemKey, number: str) -> Doc:
    """A recall of the lot of its number, once it has looked what became of the units."""
    recall = await stock.block_lot(item.product_id, number, reason="glass", performed_by="quinn", recall_number=number)
    await eventually(lambda: stock.recall(number), lambda seen: seen.state.looked_at is not None)
    await recall.refresh()
    return recall


KINDS = {
    "reservation": Kind(
        lambda stock, _, item, number: stock.reserve(number, [line(item)], performed_by="shop"),
        lambda stock: stock.holds,
        lambda stock, number: stock.hold(number),
        *("ACTIVE", "CANCELLED", "cancel"),
        lambda hold, _: hold.extend(performed_by="shop", ttl_minutes=5),
        "reservation {} has been cancelled and can't be extended",
    ),
    "transfer": Kind(
        lambda stock, beside, item, number: stock.create_transfer(
            number,
            [moved(item)],
            from_warehouse_id=item.warehouse_id,
            to_warehouse_id=beside.warehouse_id,
            requested_by="tom",
        ),
        lambda stock: stock.transfers,
        lambda stock, number: stock.transfer(number),
        *("PENDING", "CANCELLED", "cancel"),
        lambda transfer, _: transfer.dispatch(performed_by="sid"),
        "transfer {} has been cancelled and can't be dispatched",
    ),
    "purchase order": Kind(
        lambda stock, beside, item, number: stock.draft_purchase_order(
            number,
            [OrderLine(item.product_id, qty=3, unit_cost=Decimal("2.50"))],
            supplier_id=beside.supplier_id,
            warehouse_id=item.warehouse_id,
            requested_by="rita",
            reason="low",
            approval=policy_of(1),
        ),
        lambda stock: stock.purchase_orders,
        lambda stock, number: stock.purchase_order(number),
        *("DRAFT", "CANCELLED", "cancel"),
        lambda order, _: order.approve(approver="ann"),
        "purchase order {} has been cancelled and can't be approved any more",
    ),
    "count": Kind(
        lambda stock, _, item, number: stock.open_count(
            number, [item.product_id], warehouse_id=item.warehouse_id, requested_by="rita"
        ),
        lambda stock: stock.cycle_counts,
        lambda stock, number: stock.cycle_count(number),
        *("COUNTING", "CANCELLED", "cancel"),
        lambda count, item: count.record(item.product_id, 9, performed_by="ann"),
        "count {} has been cancelled and can't be counted",
    ),
    "return": Kind(
        lambda stock, _, item, number: stock.create_return(
            number, [moved(item)], warehouse_id=item.warehouse_id, reference_id="1042", performed_by="cleo"
        ),
        lambda stock: stock.customer_returns,
        lambda stock, number: stock.customer_return(number),
        *("EXPECTED", "CANCELLED", "close_short"),
        lambda returned, item: returned.inspect(
            [InspectionLine(item.product_id, restock_quantity=1)], performed_by="ines"
        ),
        "return {} has been cancelled and can take no more inspections",
    ),
    "adjustment": Kind(
        lambda stock, _, item, number: stock.adjust(
            number, [moved(item, -2)], warehouse_id=item.warehouse_id, reason="broken", performed_by="tom"
        ),
        lambda stock: stock.adjustments,
        lambda stock, number: stock.adjustment(number),
        *("PENDING", "CANCELLED", "cancel"),
        lambda adjustment, _: adjustment.approve(approver="ann"),
        "adjustment {} has been cancelled and can't be approved any more",
    ),
    "inspection": Kind(
        lambda stock, _, item, number: stock.open_inspection(
            number, [moved(item)], warehouse_id=item.warehouse_id, reason="suspected", performed_by="tom"
        ),
        lambda stock: stock.inspections,
        lambda stock, number: stock.inspection(number),
        *("OPEN", "DONE", "scrap"),
        lambda inspection, item: inspection.release([moved(item)], performed_by="ann", decision_id="late"),
        "inspection {} is done and can't be released any more",
        lambda shop, _: shop.item(10),
        {"root_cause": "DAMAGE"},
    ),
    "recall": Kind(
        lambda stock, _, item, number: _recalled(stock, item, number),
        lambda stock: stock.recalls,
        lambda stock, number: stock.recall(number),
        *("BLOCKED", "CLOSED", "close"),
        lambda recall, _: recall.release(performed_by="ann", reason="it was ours"),
        "recall {} has been closed and its lot can't be released",
        lambda shop, numbers: lot_item(shop, *((number, None, 1) for number in numbers)),
    ),
}


def without_notices(state: Any) -> dict[str, Any]:
    """A state without what only a run has, which may be gone or paused, and the time of a recall's last look."""
    shown: dict[str, Any] = state.model_dump(exclude={"notices", "looked_at"})
    return shown


@pytest.mark.parametrize("name", KINDS)
async def test_whatever_has_become_of_its_run_a_document_is_listed_and_shown_as_it_is(
    stock: Stockkeeper, shop: Shop, engine: Engine, name: str
) -> None:
    kind, client = KINDS[name], stock.client
    numbers = [new_reference() for _ in range(5)]
    item = kind.item(shop, numbers)
    sku, _ = names(engine, item)
    beside = Beside(shop.warehouse(), shop.supplier())

    async def made(number: str) -> Doc:
        return await kind.make(stock, beside, item, number)

    async def end(document: Doc) -> Any:
        return await getattr(document, kind.end)(performed_by="rita", reason="not needed", **kind.ending)

    gone, open_and_gone, stopped, again, waiting = [await made(number) for number in numbers]
    await end(gone)
    run = {
        document: document.process.id_of(document.name) for document in (gone, open_and_gone, stopped, again, waiting)
    }
    await client.get_workflow_handle(run[gone]).result()
    for document in (open_and_gone, stopped, again):
        await client.get_workflow_handle(run[document]).terminate()
    for document in (gone, open_and_gone):
        await forget(client, run[document])
    # The same start again takes it up, and so there are two runs of it.
    again = await made(again.name)
    async with paused(client, run[waiting]):
        expected = {
            waiting.name: kind.first,
            again.name: kind.first,
            stopped.name: kind.first,
            open_and_gone.name: kind.first,
            gone.name: kind.ended,
        }
        listed = await kind.listing(stock)(sku=sku)
        assert [(each.number, each.status) for each in listed] == list(expected.items())
        everything = await kind.listing(stock)()
        assert [(each.number, each.status) for each in everything if each.number in expected] == list(expected.items())
        ended = await kind.listing(stock)(status=type(gone.state.status)(kind.ended), sku=sku)
        assert [each.number for each in ended] == [gone.name]
        for document in (gone, open_and_gone, stopped, again, waiting):
            seen = (await kind.find(stock, document.name)).state
            assert without_notices(seen) == without_notices(document.state)
        with nothing_changes(engine, item):
            with pytest.raises(Unreachable, match=f"{waiting.name}: {PAUSED}$"):
                await kind.other(waiting, item)
            with pytest.raises(Unreachable, match=f"{waiting.name}: {PAUSED}$"):
                await made(waiting.name)
            for document in (stopped, open_and_gone):
                with pytest.raises(InvalidState, match="its workflow has been stopped; start it again"):
                    await kind.other(document, item)
            # What was done already is answered, and what comes too late is refused as the process would.
            assert (await end(await kind.find(stock, gone.name))).status == kind.ended
            with pytest.raises(InvalidState) as refused:
                await kind.other(gone, item)
            assert refused.value.message == kind.too_late.format(gone.name)
            # A start that is repeated begins a run, which finds the document as it is.
            if name in ("reservation", "transfer"):
                with pytest.raises(InvalidState, match="has been cancelled"):
                    await made(gone.name)
            else:
                assert (await made(gone.name)).state.status == kind.ended
            assert [each.number for each in await kind.listing(stock)(sku=sku)] == list(expected)
    if name in ("inspection", "recall"):
        numbers = [each.number for each in await stock.inbox() if each.kind == name and each.number in expected]
        assert sorted(numbers) == sorted(each.name for each in (open_and_gone, stopped, again, waiting))
    if name in ("purchase order", "adjustment"):
        inbox: Any = stock.awaiting_approval if name == "purchase order" else stock.adjustments_awaiting_approval
        waits = [getattr(each, again.process.number_field) for each in await inbox()]
        assert [number for number in waits if number in expected] == [
            open_and_gone.name,
            stopped.name,
            again.name,
            waiting.name,
        ]


async def test_a_start_on_its_way_is_listed_until_the_database_has_it(
    stock: Stockkeeper, shop: Shop, our_client: Client
) -> None:
    item, way, stopped, wrong = shop.item(3), new_reference(), new_reference(), new_reference()
    for order in (way, stopped):
        await our_client.start_workflow(
            "ReservationWorkflow", {}, id=f"reservation-{order}", task_queue="nobody-listens"
        )
    await our_client.get_workflow_handle(f"reservation-{stopped}").terminate()
    with pytest.raises(UnknownProduct):
        await stock.reserve(wrong, [Line(2**40, item.warehouse_id, quantity=1)], performed_by="shop")
    short, then_held = new_reference(), new_reference()
    for order in (short, then_held):
        with pytest.raises(InsufficientStock):
            await stock.reserve(order, [line(item, 4)], performed_by="shop")
    shop.move(item, 1)
    await stock.reserve(then_held, [line(item, 4)], performed_by="shop")

    async def listed(status: ReservationStatus | None = None) -> list[tuple[str, str]]:
        ours = (way, stopped, wrong, short, then_held)
        return [(each.number, each.status) for each in await stock.holds(status=status) if each.number in ours]

    async with paused(our_client, f"reservation-{way}"):
        expected = [(then_held, "ACTIVE"), (short, "REJECTED"), (way, "WAITING")]
        assert await eventually(listed, lambda found: len(found) == len(expected)) == expected
        assert await listed(ReservationStatus.WAITING) == [(way, "WAITING")]
        assert await listed(ReservationStatus.REJECTED) == [(short, "REJECTED")]
        assert await listed(ReservationStatus.ACTIVE) == [(then_held, "ACTIVE")]
        assert (await stock.hold(short)).state.status is ReservationStatus.REJECTED
        with pytest.raises(Unreachable, match=f"{way}: {PAUSED}$"):
            await stock.hold(way)
        for nothing in (stopped, wrong):
            with pytest.raises(NotFound, match="its start was refused, or stopped before anything was stored"):
                await stock.hold(nothing)
        with pytest.raises(NotFound, match=f"doesn't exist; did you mean {then_held}\\?$"):
            await stock.hold(then_held.upper())
        for nothing in (new_reference(), " no number", ""):
            with pytest.raises(NotFound, match=r"doesn't exist$"):
                await stock.hold(nothing)


async def test_a_hold_whose_run_was_stopped_is_over_at_its_deadline(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item, order = shop.item(3), new_reference()
    sku, _ = names(engine, item)
    hold = await stock.reserve(order, [line(item)], performed_by="shop", ttl_minutes=1 / 60)
    await stock.client.get_workflow_handle(f"reservation-{order}").terminate()

    async def status() -> ReservationStatus:
        return (await stock.hold(order)).state.status

    await eventually(status, lambda seen: seen is ReservationStatus.EXPIRED)
    assert [each.number for each in await stock.holds(sku=sku, status=ReservationStatus.EXPIRED)] == [order]
    assert await stock.holds(sku=sku, status=ReservationStatus.ACTIVE) == []
    with (
        nothing_changes(engine, item),
        pytest.raises(InvalidState, match=f"{order} has expired and can't be extended$"),
    ):
        await hold.extend(performed_by="shop", ttl_minutes=5)


async def test_documents_are_listed_by_product_and_place_under_any_name(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item, order = shop.item(3), new_reference()
    sku, where = names(engine, item)
    await stock.reserve(order, [line(item)], performed_by="shop")
    for product in (sku, sku.lower(), item.product_id):
        for place in (where, where.upper(), item.warehouse_id, None):
            assert [each.number for each in await stock.holds(sku=product, warehouse=place)] == [order]
    assert [each.number for each in await stock.holds(warehouse=where)] == [order]
    assert await stock.holds(warehouse=shop.warehouse()) == []
    with pytest.raises(UnknownProduct):
        await stock.holds(sku="no such tea")


async def test_a_run_started_by_hand_is_not_waited_for_while_it_is_paused(
    stock: Stockkeeper, our_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_hand, "_LOOKS_EVERY", 0.05)
    unknown = dataclasses.replace(stock_audit.PROCESS, workflow_type=new_reference("unknown"))

    async def begun() -> list[str]:
        query = f'WorkflowType="{unknown.workflow_type}"'
        return [run.id async for run in our_client.list_workflows(query)]

    request = StockAuditRequest()
    waiting = by_hand.run_now(stock.connection, unknown, request, state=StockAuditState)
    running = asyncio.create_task(waiting)
    [run] = await eventually(begun, bool)
    async with paused(our_client, run):
        with pytest.raises(Unreachable, match=f"^stock-audit: {PAUSED}$"):
            await running


async def test_an_audit_takes_a_paused_run_for_one_that_goes_on(
    stock: Stockkeeper, shop: Shop, our_client: Client
) -> None:
    item, order, stopped = shop.item(3), new_reference(), new_reference()
    for each in (order, stopped):
        await stock.reserve(each, [line(item)], performed_by="shop")
    await our_client.get_workflow_handle(f"reservation-{stopped}").terminate()
    looking = ActivityEnvironment(client=our_client)
    ids = [f"reservation-{each}" for each in (order, stopped)]
    async with paused(our_client, ids[0]):
        for by_list in (True, False):
            found = await looking.run(Runs().find_running, FindRunning(workflow_ids=ids, by_list=by_list))
            assert found.not_running == [ids[1]]

        async def holders() -> list[str]:
            return (await looking.run(Runs().find_holders, FindHolders())).references

        assert stopped not in await eventually(holders, lambda found: order in found)


async def test_an_inbox_asks_for_all_lists_by_one_question(stock: Stockkeeper, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def counting(connection: Connection, question: Question[Any, Any], wanted: Any, **more: Any) -> Any:
        asked.append(question.name)
        return await ask(connection, question, wanted, **more)

    monkeypatch.setattr(runs, "ask", counting)
    await stock.inbox()
    assert asked == ["list_together"]
