"""Workers are killed and the database goes away: goods are booked once, and whoever should hear of it does."""

import asyncio
from collections.abc import Awaitable, Callable

from sqlalchemy import Engine
from temporalio.client import Client

from database.sessions import Database
from stockkeeper.domain.stock import ItemKey
from tests.faults.workplace import Workplace
from tests.support.approvals import NO_APPROVAL, ONE_APPROVAL
from tests.support.books import level
from tests.support.inspection import Inspecting, has_run, stored
from tests.support.lots import lot_books, lot_item
from tests.support.outages import Outages
from tests.support.purchase_order import Purchasing, approval, came, draft, quantities, wanted
from tests.support.purchase_order_rows import purchases, supplier_name
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, at_once, less_notices
from worker import working

Call = Callable[[Purchasing, str, ItemKey], Awaitable[Json]]


async def test_a_worker_killed_between_its_commit_and_its_report_leaves_one_effect_and_an_answer(
    workplace: Callable[[], Workplace], our_client: Client, database: Database, shop: Shop, engine: Engine
) -> None:
    supplier = shop.supplier()

    async def dies(step: str, prepare: Call | None, call: Call) -> tuple[str, ItemKey, Json]:
        place, number, item = workplace(), new_reference("po"), shop.item(4)
        async with place.worker(step, "after") as deadly:
            if prepare is not None:
                await prepare(place.purchasing, number, item)
                # A notice that dies with its worker is missed only after ten seconds.
                await place.purchasing.quiet(number)
            answered = asyncio.ensure_future(call(place.purchasing, number, item))
            await deadly.has_killed_itself()
            assert not answered.done()
        async with working(our_client, database, place.settings):
            state = await answered
            assert less_notices(await place.purchasing.state(number)) == less_notices(state)
            name = f"purchase order {number}, 10.00 from {supplier_name(engine, supplier)}"
            asked, out = ("PROCUREMENT", f"Approval wanted: {name}"), ("SUPPLIER", f"Purchase order {number}")
            # Whoever should hear of it does, although the worker died before it could tell.
            await place.purchasing.told(
                number,
                *{
                    "draft_purchase_order": [asked] if state["required_approvals"] else [out],
                    "approve_purchase_order": [asked, out],
                    "receive_purchase_order": [out],
                    "end_purchase_order": [
                        out,
                        ("SUPPLIER", f"Purchase order {number}: the rest is no longer expected"),
                    ],
                }[step],
            )
            assert state["notes"] == []
        return number, item, state

    def drafted(policy: Json) -> Call:
        return lambda purchasing, number, item: purchasing.draft(number, supplier, [(item, 10)], approval=policy)

    def receive(purchasing: Purchasing, number: str, item: ItemKey) -> Awaitable[Json]:
        return purchasing.receive(number, "truck-1", came(item, 3, 1))

    async def draft_and_receive(purchasing: Purchasing, number: str, item: ItemKey) -> Json:
        await drafted(NO_APPROVAL)(purchasing, number, item)
        return await receive(purchasing, number, item)

    outcomes = await at_once(
        dies("draft_purchase_order", None, drafted(ONE_APPROVAL)),
        dies("draft_purchase_order", None, drafted(NO_APPROVAL)),
        dies(
            "approve_purchase_order",
            drafted(ONE_APPROVAL),
            lambda purchasing, number, item: purchasing.approve(number, "ann"),
        ),
        dies("receive_purchase_order", drafted(NO_APPROVAL), receive),
        dies("end_purchase_order", draft_and_receive, lambda purchasing, number, item: purchasing.close_short(number)),
    )
    assert [(state["status"], len(state["approvals"]), quantities(state)) for _, _, state in outcomes] == [
        ("DRAFT", 0, [(10, 0, 0)]),
        ("SUBMITTED", 0, [(10, 0, 0)]),
        ("SUBMITTED", 1, [(10, 0, 0)]),
        ("SUBMITTED", 0, [(10, 3, 1)]),
        ("RECEIVED", 0, [(10, 3, 1)]),
    ]
    for (number, item, _), units in zip(outcomes, (0, 0, 0, 3, 3), strict=True):
        assert level(engine, item) == (4 + units, 0)
        assert [moved for _, moved, *_ in purchases(engine, number)] == ([units] if units else [])


async def test_a_worker_killed_between_its_commit_and_its_report_leaves_an_inspection_with_its_run(
    workplace: Callable[[], Workplace],
    plain_client: Client,
    our_client: Client,
    database: Database,
    shop: Shop,
    engine: Engine,
) -> None:
    place, number, item = workplace(), new_reference("po"), lot_item(shop)
    inspecting = Inspecting(plain_client, place.settings.task_queue)
    async with place.worker("receive_purchase_order", "after") as deadly:
        await place.purchasing.draft(number, shop.supplier(), [(item, 10)], approval=NO_APPROVAL)
        lot = came(item, 3) | {"lot_number": "OLD", "expires_on": "2020-01-01"}
        answered = asyncio.ensure_future(place.purchasing.receive(number, "truck-1", lot))
        await deadly.has_killed_itself()
    opened = f"{number}.truck-1"
    assert (stored(engine, opened).status, stored(engine, opened).run_id) == ("OPEN", "")
    async with working(our_client, database, place.settings):
        assert quantities(await answered) == [(10, 3, 0)]
        run_id = await has_run(engine, opened)
        state = await inspecting.update(opened, "opened")
        assert (state["status"], state["state"], state["requested_by"]) == ("OPEN", "QUARANTINE", "wes")
        assert (await inspecting.handle(opened).describe()).run_id == run_id
        # It goes on when the order has ended.
        await place.purchasing.close_short(number)
        await place.purchasing.result(number)
        assert (await inspecting.release(opened))["status"] == "DONE"
    assert lot_books(engine, item) == {"OLD": (3, 0, 0)}


async def test_what_was_refused_in_the_task_that_a_worker_died_with_is_refused_as_it_was(
    workplace: Callable[[], Workplace], our_client: Client, database: Database, shop: Shop
) -> None:
    """Each command is carried out once, or refused: the refusal was kept, though the order has gone out by then."""
    place, number, item, supplier = workplace(), new_reference("po"), shop.item(4), shop.supplier()
    start = draft(number, supplier, item.warehouse_id, wanted(item, 10), approval=ONE_APPROVAL)
    await place.purchasing.start(number, [start])
    for approver in ("rita", "ann"):
        await place.purchasing.signal(number, "approve", approval(approver))
    # It refuses the requester, and dies with the other's approval.
    async with place.worker("approve_purchase_order", "after") as deadly:
        await deadly.has_killed_itself()
    async with working(our_client, database, place.settings):
        why = f"{number} was requested by rita; another person has to approve it"
        assert await place.purchasing.noted(number, 1) == [f"signal approve refused: NotPermitted: {why}"]
        state = await place.purchasing.state(number)
        assert (state["status"], [each["approver"] for each in state["approvals"]]) == ("SUBMITTED", ["ann"])


async def test_a_database_that_is_away_delays_the_answers(
    purchasing: Purchasing, outages: Outages, shop: Shop, engine: Engine
) -> None:
    """The steps then wait in the task queue, where an operator sees them."""
    item, supplier = shop.item(4), shop.supplier()
    drafted, approved, received = (new_reference("po") for _ in range(3))
    await purchasing.draft(approved, supplier, [(item, 10)], approval=ONE_APPROVAL)
    await purchasing.draft(received, supplier, [(item, 10)], approval=NO_APPROVAL)

    with outages.database_away():
        await purchasing.start(drafted, [draft(drafted, supplier, item.warehouse_id, wanted(item, 10))])
        drafting = asyncio.ensure_future(purchasing.update(drafted, "drafted"))
        approving = asyncio.ensure_future(purchasing.approve(approved, "ann"))
        receiving = asyncio.ensure_future(purchasing.receive(received, "truck-1", came(item, 10)))
        again = asyncio.ensure_future(purchasing.receive(received, "truck-1", came(item, 10)))
        await at_once(
            purchasing.waits_for(drafted, "draft_purchase_order"),
            purchasing.waits_for(approved, "approve_purchase_order"),
            purchasing.waits_for(received, "receive_purchase_order"),
        )
        assert not any(each.done() for each in (drafting, approving, receiving, again))
    assert [(await each)["status"] for each in (drafting, approving, receiving, again)] == [
        "SUBMITTED",
        "SUBMITTED",
        "RECEIVED",
        "RECEIVED",
    ]
    assert (await purchasing.result(received))["status"] == "RECEIVED"
    assert (level(engine, item), len(purchases(engine, received))) == ((14, 0), 1)
