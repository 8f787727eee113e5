"""Steps on documents that share a transaction: each has its own answer, and none is hurt by another one."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from functools import partial
from threading import Event
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError
from temporalio.exceptions import ApplicationError

from activities import document_steps
from activities.document_steps import DocumentSteps
from stockkeeper.domain.purchase_order import PurchaseOrderStatus
from stockkeeper.domain.stock import ItemKey
from stockkeeper.domain.transfer import TransferStatus
from tests.support.books import level
from tests.support.lots import TODAY, lot_books, lot_item
from tests.support.meetings import WAIT_SECONDS
from tests.support.shop import Shop
from tests.support.steps.purchase_order import Buying, came
from tests.support.steps.purchase_order import papers as orders_papers
from tests.support.steps.transfer import TransferCalls, arrived
from tests.support.steps.transfer import papers as transfers_papers
from tests.support.told import Told, telling
from tests.support.transfer_rows import transit

Call = Callable[[], Any]
RECEIVED = PurchaseOrderStatus.RECEIVED


@pytest.fixture(autouse=True)
def _one_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """All steps gather in the same place, and wait as long as it takes."""
    monkeypatch.setattr(document_steps, "_AT_ONCE", 1)


def _together(documents: DocumentSteps[Any, Any], *calls: Call) -> list[Any]:
    """Let steps gather in this order while another call is under way, and then go on together; their outcomes."""
    under_way, end = Event(), Event()

    def until_the_end(_: Sequence[object]) -> None:
        under_way.set()
        assert end.wait(WAIT_SECONDS)

    gathering = documents._gatherings[0]
    with ThreadPoolExecutor(len(calls) + 1) as threads, pytest.MonkeyPatch.context() as patch:
        patch.setattr(gathering, "_patience_seconds", WAIT_SECONDS)
        try:
            nobody: Any = None
            threads.submit(gathering.join, nobody, until_the_end)
            assert under_way.wait(WAIT_SECONDS)
            begun = []
            for number, call in enumerate(calls, 1):
                begun.append(threads.submit(_outcome, call))
                deadline = time.monotonic() + WAIT_SECONDS
                while len(gathering._waiting) < number:
                    assert time.monotonic() < deadline, f"step {number} doesn't gather"
                    time.sleep(0.001)
        finally:
            end.set()
        return [each.result(WAIT_SECONDS) for each in begun]


def _outcome(call: Call) -> Any:
    """The status that the call answers with, or the type and details of its error."""
    try:
        return call().status
    except ApplicationError as error:
        return error.type, error.details[0] if error.details else None
    except IntegrityError:
        return "refused by the database"


def _transactions(engine: Engine, step: str, *numbers: str) -> int:
    """By how many transactions these documents' operations of this kind were stored."""
    query = text("""
        SELECT count(DISTINCT operations.xmin::text) FROM operations, unnest(cast(:numbers AS text[])) AS number
        WHERE operation_id LIKE '%-' || number || '/' || :step || '%'
    """)
    with engine.connect() as connection:
        return int(connection.execute(query, {"numbers": list(numbers), "step": step}).scalar_one())


def _documents(told: list[Told]) -> list[tuple[str, str]]:
    """The documents of which something was told, once for each event."""
    return sorted((each.kind, each.subject) for each in told if "step" in each.data)


@pytest.fixture
def sent(moving: TransferCalls, shop: Shop) -> tuple[ItemKey, ItemKey, list[str]]:
    """An item, the same product elsewhere, and four transfers of five units of it that are held."""
    item = shop.item(20)
    there = shop.item(0, product=item.product_id)
    return item, there, [moving.held(there.warehouse_id, (item, 5)) for _ in range(4)]


def test_transfers_leave_and_arrive_together_and_a_refused_one_stays(
    moving: TransferCalls, sent: tuple[ItemKey, ItemKey, list[str]], engine: Engine
) -> None:
    item, there, (*three, refused) = sent
    transfers = moving._steps._transfers
    before = transfers_papers(engine, refused)
    with telling(engine) as told:
        outcomes = _together(
            transfers,
            *(partial(moving.dispatch, number) for number in three),
            partial(moving.dispatch, refused, (item, 6)),
        )
    assert transfers_papers(engine, refused) == before
    assert outcomes[:3] == [TransferStatus.IN_TRANSIT] * 3
    assert outcomes[3] == ("InvalidRequest", {"product_id": item.product_id, "quantity": 6, "held": 5})
    assert level(engine, item) == (5, 5)
    assert _transactions(engine, "dispatch", *three) == 1
    assert _documents(told) == sorted(("transfer.changed", f"transfer/{number}") for number in three)
    receipts = [partial(moving.receive, number, "1", arrived(there, 5)) for number in three]
    assert _together(transfers, *receipts) == [TransferStatus.RECEIVED] * 3
    assert level(engine, there) == (15, 0)
    assert _transactions(engine, "receive", *three) == 1
    for number in three:
        assert [(kind, units, left) for _, kind, units, left, *_ in transit(engine, number)] == [
            ("DISPATCHED", 5, 5),
            ("RECEIVED", -5, 0),
        ]


def test_a_transfer_that_needs_a_transaction_of_its_own_gets_it(
    moving: TransferCalls, sent: tuple[ItemKey, ItemKey, list[str]], engine: Engine
) -> None:
    _, there, (*two, third, _) = sent
    for number in (*two, third):
        moving.dispatch(number)
    damaged = partial(moving.receive, third, "1", arrived(there, 4, damaged=1))
    receipts = [partial(moving.receive, number, "1", arrived(there, 5)) for number in two]
    assert _together(moving._steps._transfers, damaged, *receipts) == [TransferStatus.RECEIVED] * 3
    assert level(engine, there) == (14, 0)
    assert _transactions(engine, "receive", *two) == 1
    assert _transactions(engine, "receive", *two, third) == 2


def test_what_the_database_refuses_of_one_order_hurts_no_other(buying: Buying, shop: Shop, engine: Engine) -> None:
    tea = shop.item(0)
    orders = [buying.order(shop, (tea, 5), supplier=shop.supplier()) for _ in range(3)]
    poisoned, *others = orders
    calls = [partial(buying.receive, number, "1", came(tea, 5)) for number in orders]
    before = orders_papers(engine, poisoned)
    with _refusing_receipts(engine, poisoned):
        assert _together(buying._steps._orders, *calls) == ["refused by the database", RECEIVED, RECEIVED]
    assert orders_papers(engine, poisoned) == before
    assert level(engine, tea) == (10, 0)
    assert _transactions(engine, "receive", *others) == 2
    assert buying.receive(poisoned, "1", came(tea, 5)).status is RECEIVED
    assert level(engine, tea) == (15, 0)


def test_orders_are_received_together_and_a_repeat_among_them_books_nothing(
    buying: Buying, shop: Shop, engine: Engine
) -> None:
    tea, supplier = shop.item(0), shop.supplier()
    orders = [buying.order(shop, (tea, 5), supplier=supplier, unit_cost=cost) for cost in ("1.00", "2.00", "3.00")]
    buying.receive(orders[0], "1", came(tea, 5))
    calls = [partial(buying.receive, number, "1", came(tea, 5)) for number in orders]
    with telling(engine) as told:
        assert _together(buying._steps._orders, *calls) == [RECEIVED] * 3
    assert level(engine, tea) == (15, 0)
    assert _documents(told) == sorted(("purchase_order.changed", f"purchase_order/{each}") for each in orders[1:])
    assert _transactions(engine, "receive", *orders[1:]) == 1
    with engine.connect() as connection:
        known = connection.execute(
            text("SELECT last_unit_cost, lead_times_measured FROM product_suppliers WHERE supplier_id = :supplier"),
            {"supplier": supplier},
        ).one()
    assert tuple(known) == (Decimal("3.000000"), 3)


def test_receipts_of_lots_have_transactions_of_their_own(buying: Buying, shop: Shop, engine: Engine) -> None:
    # An expired lot opens an inspection, which a neighbour's transaction couldn't take back.
    milk, tea = lot_item(shop), shop.item(0)
    tracked, *others = [buying.order(shop, (item, 5), supplier=shop.supplier()) for item in (milk, tea, tea)]
    old = came(milk, 5).model_copy(update={"lot_number": "OLD", "expires_on": TODAY - timedelta(days=1)})
    calls = [partial(buying.receive, number, "1", came(tea, 5)) for number in others]
    assert _together(buying._steps._orders, partial(buying.receive, tracked, "1", old), *calls) == [RECEIVED] * 3
    assert (lot_books(engine, milk), level(engine, tea)) == ({"OLD": (5, 0, 5)}, (10, 0))
    assert (_transactions(engine, "receive", *others), _transactions(engine, "receive", tracked, *others)) == (1, 2)


@contextmanager
def _refusing_receipts(engine: Engine, po_number: str) -> Iterator[None]:
    """The database refuses every receipt of this order."""
    with engine.begin() as connection:
        po_id = connection.execute(
            text("SELECT po_id FROM purchase_orders WHERE po_number = :number"), {"number": po_number}
        ).scalar_one()
        connection.exec_driver_sql("""
            CREATE FUNCTION refuse_the_receipt() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation'; END $$
        """)
        connection.exec_driver_sql(f"""
            CREATE TRIGGER refused BEFORE INSERT ON purchase_order_receipts FOR EACH ROW
            WHEN (NEW.po_id = {po_id}) EXECUTE FUNCTION refuse_the_receipt()
        """)
    yield
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP FUNCTION refuse_the_receipt CASCADE")
