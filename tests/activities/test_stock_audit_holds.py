"""The audit of holds and of runs, as far as the database knows them; and what is forgotten of old operations."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from activities import stock_audit
from database.sessions import Database
from stockkeeper.contracts.reservation import FulfillLine
from stockkeeper.domain.stock import ItemKey
from tests.support.audit_tampering import Tampered, tampering
from tests.support.books import nothing_changes
from tests.support.shop import Shop, new_reference
from tests.support.steps.reservation import Steps
from tests.support.steps.stock_audit import Auditing, Off, nothing_is_found, off
from tests.support.steps.transfer import TransferCalls

WITHOUT_RUN, WITHOUT_HOLD = "HOLD_WITHOUT_RUN", "RUN_WITHOUT_HOLD"


def held(database: Database, *lines: tuple[ItemKey, int]) -> str:
    """The reference of a new order that holds these."""
    order = new_reference()
    Steps(database).reserve(order, *lines)
    return order


def of(order: str) -> str:
    """The workflow of an order."""
    return f"reservation-{order}"


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6])
def test_pages_go_over_every_open_hold_once(
    database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    first, second = shop.items(2, units=10)
    both, one = held(database, (second, 1), (first, 2)), held(database, (first, 3))
    number = TransferCalls(database).held(shop.warehouse(), (second, 4))
    twice = held(database, (second, 1), (second, 1))
    Steps(database).cancel(held(database, (first, 1)))
    Steps(database).fulfill(held(database, (second, 1)))
    monkeypatch.setattr(stock_audit, "HOLDS_A_PAGE", size)
    auditing = Auditing(database, first.warehouse_id)
    pages = [auditing.holds()]
    while (after := pages[-1].after) is not None:
        pages.append(auditing.holds(after))
    assert [page.checked for page in pages] == [size] * (6 // size) + [6 % size]
    found = [name for page in pages for name in page.workflow_ids]
    in_order = [of(both), of(one), of(both), f"transfer-{number}", of(twice), of(twice)]
    # Each once a page.
    assert found == [name for at in range(0, 6, size) for name in dict.fromkeys(in_order[at : at + size])]


def test_what_is_held_without_a_run_is_found_by_order_and_item(engine: Engine, database: Database, shop: Shop) -> None:
    first, second = shop.items(2, units=10)
    elsewhere = shop.item(10)
    order = held(database, (first, 4), (second, 2), (first, 3), (elsewhere, 1))
    Steps(database).fulfill(order, [FulfillLine(product_id=first.product_id, quantity=5)])
    number = TransferCalls(database).held(shop.warehouse(), (second, 4))
    held(database, (first, 1))
    with tampering(engine) as tampered:
        checked = Auditing(tampered, first.warehouse_id).check_holds(of(order), f"transfer-{number}", "of-nobody")
        assert checked.workflow_ids == [of(order), f"transfer-{number}"]
        assert [off(finding) for finding in checked.findings] == [
            Off(WITHOUT_RUN, first, 0, 2, f"order {order}"),
            Off(WITHOUT_RUN, second, 0, 2, f"order {order}"),
            Off(WITHOUT_RUN, second, 0, 4, f"transfer {number}"),
        ]
        everywhere = Auditing(tampered, None).check_holds(of(order))
        assert [off(finding) for finding in everywhere.findings] == [
            Off(WITHOUT_RUN, first, 0, 2, f"order {order}"),
            Off(WITHOUT_RUN, second, 0, 2, f"order {order}"),
            Off(WITHOUT_RUN, elsewhere, 0, 1, f"order {order}"),
        ]


def test_what_has_been_given_up_meanwhile_is_not_held(engine: Engine, database: Database, shop: Shop) -> None:
    item = shop.item(10)
    order = held(database, (item, 3))
    Steps(database).cancel(order)
    checked = Auditing(database, item.warehouse_id).check_holds(of(order))
    assert (checked.workflow_ids, checked.findings) == ([], [])


def test_a_first_look_keeps_nothing(engine: Engine, database: Database, shop: Shop) -> None:
    item = shop.item(10)
    order, auditing = held(database, (item, 3)), Auditing(database, item.warehouse_id)
    with nothing_changes(engine, item), nothing_is_found(engine, item.warehouse_id):
        checked = auditing.check_holds(of(order), keep=False)
        assert (checked.workflow_ids, checked.findings) == ([of(order)], [])
        nothing = auditing.check_runs("of-nobody", keep=False)
        assert (nothing.references, nothing.findings) == (["of-nobody"], [])
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM audit_findings WHERE document = 'order of-nobody'")
        assert connection.execute(query).scalar_one() == 0


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6])
def test_an_order_that_is_on_several_pages_is_told_once(
    engine: Engine, database: Database, shop: Shop, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """Its items may be far apart, and an item's lines, too. The units are those of all lines."""
    first, second = shop.items(2, units=20)
    order = held(database, (first, 4), (second, 2), (first, 1), (second, 3))
    other = held(database, (first, 6))
    monkeypatch.setattr(stock_audit, "HOLDS_A_PAGE", size)
    with tampering(engine) as tampered:
        auditing = Auditing(tampered, first.warehouse_id)
        after, told, more = (0, 0, 0), [], True
        while more:
            page = auditing.holds(after)
            checked = auditing.check_holds(*page.workflow_ids, after=after, through=page.after)
            # Asked again, as after a worker's death, it tells the same again.
            again = auditing.check_holds(*page.workflow_ids, after=after, through=page.after)
            assert [off(finding) for finding in again.findings] == [off(finding) for finding in checked.findings]
            told += [off(finding) for finding in checked.findings]
            after, more = page.after or after, page.after is not None
        assert sorted(told) == sorted(
            [
                Off(WITHOUT_RUN, first, 0, 5, f"order {order}"),
                Off(WITHOUT_RUN, first, 0, 6, f"order {other}"),
                Off(WITHOUT_RUN, second, 0, 5, f"order {order}"),
            ]
        )


def test_orders_that_hold_nothing_are_found(engine: Engine, database: Database, shop: Shop) -> None:
    item, steps = shop.item(20), Steps(database)
    whole, part, shipped, given_up = (held(database, (item, 3)) for _ in range(4))
    steps.fulfill(part, [FulfillLine(product_id=item.product_id, quantity=2)])
    steps.fulfill(shipped)
    steps.cancel(given_up)
    # A transfer of the same name is something else.
    number = TransferCalls(database).held(shop.warehouse(), (item, 1))
    with tampering(engine) as tampered:
        checked = Auditing(tampered, None).check_runs(whole, shipped, part, given_up, number)
        assert checked.references == [shipped, given_up, number]
        assert [off(finding) for finding in checked.findings] == [
            Off(WITHOUT_HOLD, None, 1, 0, f"order {name}") for name in (shipped, given_up, number)
        ]


THEN = datetime(2020, 6, 1, tzinfo=UTC)


def done(tampered: Tampered, name: str, at: datetime, *, kind: str = "adjust", workflow_id: str = "x") -> str:
    """An operation of long ago."""
    operation = f"{name}/{new_reference()}"
    tampered.tamper(
        """
            INSERT INTO operations VALUES (:operation, :kind, decode(repeat('00', 32), 'hex'), '{}', 'x',
                :workflow_id, 'x', :at)
        """,
        operation=operation,
        kind=kind,
        workflow_id=workflow_id,
        at=at,
    )
    return operation


def left(tampered: Tampered, *operations: str) -> list[str]:
    """Which of these are still known."""
    query = text("SELECT operation_id FROM operations WHERE operation_id = ANY (:operations)")
    known = set(tampered.connection.execute(query, {"operations": list(operations)}).scalars())
    return [each for each in operations if each in known]


def test_operations_from_before_an_instant_are_forgotten(engine: Engine, shop: Shop) -> None:
    del shop
    microsecond = timedelta(microseconds=1)
    with tampering(engine) as tampered:
        old, older = done(tampered, "old", THEN - microsecond), done(tampered, "older", THEN - timedelta(days=900))
        young, now = done(tampered, "young", THEN), done(tampered, "now", datetime.now(UTC))
        forgotten = Auditing(tampered, None).forget(THEN)
        assert (forgotten.forgotten, forgotten.more) == (2, False)
        assert left(tampered, old, older, young, now) == [young, now]


def test_operations_that_can_be_repeated_are_kept(engine: Engine, database: Database, shop: Shop) -> None:
    """A parcel of a hold that is still open may be sent again, and a file after years."""
    item, steps = shop.item(10), Steps(database)
    open_order, closed = held(database, (item, 3)), held(database, (item, 2))
    number = TransferCalls(database).held(shop.warehouse(), (item, 1))
    steps.fulfill(open_order, [FulfillLine(product_id=item.product_id, quantity=1)])
    steps.cancel(closed)
    with tampering(engine) as tampered:
        mine = "workflow_id IN (:open_order, :closed, :transfer)"
        tampered.tamper(
            f"UPDATE operations SET created_at = :at WHERE {mine}",
            at=THEN - timedelta(days=1),
            open_order=of(open_order),
            closed=of(closed),
            transfer=f"transfer-{number}",
        )
        imported = done(tampered, "import", THEN - timedelta(days=1), kind="apply_import")
        forgotten = Auditing(tampered, None).forget(THEN)
        assert (forgotten.forgotten, forgotten.more) == (2, False)
        kept = [f"{of(open_order)}/reserve", f"{of(open_order)}/fulfill/1", f"transfer-{number}/hold", imported]
        gone = [f"{of(closed)}/reserve", f"{of(closed)}/cancel/1"]
        assert left(tampered, *gone, *kept) == kept


def test_the_oldest_operations_are_forgotten_first(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stock_audit, "OPERATIONS_A_PAGE", 2)
    with tampering(engine) as tampered:
        operations = [done(tampered, "old", THEN - timedelta(days=days)) for days in (1, 4, 2, 3, 5)]
        auditing, counts = Auditing(tampered, None), []
        for expected in ([operations[0], operations[2], operations[3]], [operations[0]], []):
            forgotten = auditing.forget(THEN)
            counts.append((forgotten.forgotten, forgotten.more))
            assert left(tampered, *operations) == expected
        assert counts == [(2, True), (2, True), (1, False)]
