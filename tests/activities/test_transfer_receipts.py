"""What arrives of a transfer: in parts, damaged, not at all; and what goes back when it is cancelled on its way."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine

from database.sessions import Database
from stockkeeper.contracts.receipt import RECEIPTS_SHOWN
from stockkeeper.contracts.transfer import StoredTransfer
from stockkeeper.contracts.transfer_state import ArrivedLine
from stockkeeper.domain.stock import ItemKey
from stockkeeper.domain.transfer import TransferStatus
from tests.support.books import level
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import MINUTE, NOON, forget, refused
from tests.support.steps.reservation import Steps
from tests.support.steps.transfer import TransferCalls, arrived, lines_of, papers, transfer_stays
from tests.support.transfer import Units
from tests.support.transfer_rows import Whereabouts, movements, stocked, transit, whereabouts

S = TransferStatus
LATER = NOON + 5 * MINUTE


def _at(item: ItemKey, warehouse_id: int) -> ItemKey:
    return item._replace(warehouse_id=warehouse_id)


def _out(number: str, item: ItemKey, units: int, balance: int) -> tuple[Any, ...]:
    """A movement as it has to be: units leave."""
    return (*item, "TRANSFER_OUT", -units, balance, "sid", f"dispatched on transfer {number}")


def _in(number: str, item: ItemKey, receipt_id: str, units: int, balance: int) -> tuple[Any, ...]:
    """A movement as it has to be: units arrive."""
    return (*item, "TRANSFER_IN", units, balance, "dora", f"receipt {receipt_id} of transfer {number}")


def _left(number: str, line: int, units: int) -> tuple[Any, ...]:
    """An entry of what is in transit: units have left the source."""
    return (line, "DISPATCHED", units, units, None, "sid", f"dispatched on transfer {number}")


def _came(number: str, line: int, receipt_id: str, kind: str, units: int, balance: int) -> tuple[Any, ...]:
    """An entry: units have arrived, RECEIVED or DAMAGED."""
    return (line, kind, -units, balance, receipt_id, "dora", f"receipt {receipt_id} of transfer {number}")


def _shown(transfer: StoredTransfer) -> list[tuple[str, int, int]]:
    """The receipts of an answer: their names, and units that were fit and damaged."""
    return [(receipt.receipt_id, receipt.accepted, receipt.unfit) for receipt in transfer.receipts]


def test_it_arrives_in_three_parts_with_damage_and_a_loss_and_every_unit_is_somewhere(
    moving: TransferCalls, shop: Shop, engine: Engine
) -> None:
    tea, mug = shop.items(2, units=20)
    here, there = tea.warehouse_id, shop.warehouse()
    shop.item(1, product=tea.product_id, warehouse=there)
    number = moving.sent(there, (tea, 10), (mug, 6))
    seen = partial(whereabouts, engine, [tea.product_id, mug.product_id], [here, there])
    assert seen() == Whereabouts((24, 1), in_transit=16, damaged=0, written_off=0)
    first = moving.receive(number, "1", arrived(mug, 2), arrived(tea, 4, damaged=1))
    assert (first.status, lines_of(first)) == (
        S.IN_TRANSIT,
        [Units(10, received=4, damaged=1, in_transit=5), Units(6, received=2, in_transit=4)],
    )
    assert seen() == Whereabouts((24, 7), in_transit=9, damaged=1, written_off=0)
    second = moving.receive(number, "2", arrived(mug, 0, damaged=3), as_of=LATER)
    assert (second.status, lines_of(second)[1]) == (S.IN_TRANSIT, Units(6, received=2, damaged=3, in_transit=1))
    assert seen() == Whereabouts((24, 7), in_transit=6, damaged=4, written_off=0)
    third = moving.receive(number, "3", arrived(tea, 3))
    assert seen() == Whereabouts((24, 10), in_transit=3, damaged=4, written_off=0)
    lost = moving.write_off(number)
    assert (lost.status, lost.closed_reason, lines_of(lost)) == (
        S.RECEIVED,
        "lost on the way",
        [Units(10, received=7, damaged=1, written_off=2), Units(6, received=2, damaged=3, written_off=1)],
    )
    assert seen() == Whereabouts((24, 10), in_transit=0, damaged=4, written_off=3)
    assert _shown(third) == _shown(lost) == [("1", 6, 1), ("2", 0, 3), ("3", 3, 0)]
    assert movements(engine, number) == [
        _out(number, tea, 10, 10),
        _out(number, mug, 6, 14),
        _in(number, _at(tea, there), "1", 4, 5),
        _in(number, _at(mug, there), "1", 2, 2),
        _in(number, _at(tea, there), "3", 3, 8),
    ]
    assert transit(engine, number) == [
        _left(number, 1, 10),
        _left(number, 2, 6),
        _came(number, 1, "1", "RECEIVED", 4, 6),
        _came(number, 2, "1", "RECEIVED", 2, 4),
        _came(number, 1, "1", "DAMAGED", 1, 5),
        _came(number, 2, "2", "DAMAGED", 3, 1),
        _came(number, 1, "3", "RECEIVED", 3, 2),
        (1, "WRITTEN_OFF", -2, 0, None, "dora", "lost on the way"),
        (2, "WRITTEN_OFF", -1, 0, None, "dora", "lost on the way"),
    ]


def test_a_receipt_has_the_reason_for_what_came_damaged(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    tea, mug = shop.items(2, units=20)
    number = moving.sent(shop.warehouse(), (tea, 10), (mug, 6))
    first = moving.receive(number, "1", arrived(tea, 4, damaged=1), arrived(mug, 0, damaged=2), unfit_reason="wet")
    last = moving.receive(number, "2", arrived(mug, 1, damaged=1))
    reasons = [[(each.receipt_id, each.unfit, each.unfit_reason) for each in at.receipts] for at in (first, last)]
    assert reasons == [[("1", 3, "wet")], [("1", 3, "wet"), ("2", 1, None)]]
    assert [(row[3], row[-1]) for row in papers(engine, number)["transit"]] == [
        ("DISPATCHED", None),
        ("DISPATCHED", None),
        ("RECEIVED", None),
        ("DAMAGED", "wet"),
        ("DAMAGED", "wet"),
        ("RECEIVED", None),
        ("DAMAGED", None),
    ]
    again = partial(moving.receive, number, "1", arrived(tea, 4, damaged=1), arrived(mug, 0, damaged=2))
    with transfer_stays(engine, number, tea, mug):
        assert again(unfit_reason="wet").is_repeat
        for another in ("dry", None):
            assert refused(partial(again, unfit_reason=another)) == ("OperationConflict", {})


@pytest.mark.parametrize("last", [(3, 0), (2, 1), (0, 3)], ids=["fit", "some damaged", "all damaged"])
def test_with_the_last_unit_that_arrives_it_is_received(
    moving: TransferCalls, shop: Shop, engine: Engine, last: tuple[int, int]
) -> None:
    item, there = shop.item(5), shop.warehouse()
    number = moving.sent(there, (item, 5))
    assert moving.receive(number, "1", arrived(item, 2)).status is S.IN_TRANSIT
    received = moving.receive(number, "2", arrived(item, *last))
    assert (received.status, received.closed_reason) == (S.RECEIVED, None)
    assert lines_of(received) == [Units(5, received=2 + last[0], damaged=last[1])]
    assert level(engine, _at(item, there)) == (2 + last[0], 0)


def test_an_item_that_the_destination_never_held_begins_with_its_first_fit_unit(
    moving: TransferCalls, shop: Shop, engine: Engine
) -> None:
    item, there = shop.item(5), shop.warehouse()
    number = moving.sent(there, (item, 5))
    moving.receive(number, "1", arrived(item, 0, damaged=2))
    assert stocked(engine, _at(item, there)) is None
    moving.receive(number, "2", arrived(item, 2))
    assert stocked(engine, _at(item, there)) == (2, 0)
    assert movements(engine, number)[1:] == [_in(number, _at(item, there), "2", 2, 2)]


def test_what_arrives_leaves_what_is_reserved_there_alone_and_can_be_sold_at_once(
    moving: TransferCalls, database: Database, shop: Shop, engine: Engine
) -> None:
    item, steps = shop.item(5), Steps(database)
    there = shop.item(4, product=item.product_id)
    steps.reserve(new_reference(), (there, 4))
    number = moving.sent(there.warehouse_id, (item, 5))
    moving.receive(number, "1", arrived(item, 3, damaged=1))
    assert level(engine, there) == (7, 4)
    steps.reserve(new_reference(), (there, 3))
    assert level(engine, there) == (7, 7)


def test_a_product_on_several_lines_fills_them_in_order(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    tea, mug = shop.items(2, units=20)
    there = shop.warehouse()
    number = moving.sent(there, (tea, 5), (mug, 2), (tea, 7))
    first = moving.receive(number, "1", arrived(tea, 4, damaged=1), arrived(tea, 2))
    assert lines_of(first) == [
        Units(5, received=5),
        Units(2, in_transit=2),
        Units(7, received=1, damaged=1, in_transit=5),
    ]
    last = moving.receive(number, "2", arrived(mug, 2), arrived(tea, 5))
    assert (last.status, lines_of(last)) == (
        S.RECEIVED,
        [Units(5, received=5), Units(2, received=2), Units(7, received=6, damaged=1)],
    )
    assert movements(engine, number)[3:] == [
        _in(number, _at(tea, there), "1", 5, 5),
        _in(number, _at(tea, there), "1", 1, 6),
        _in(number, _at(mug, there), "2", 2, 2),
        _in(number, _at(tea, there), "2", 5, 11),
    ]


def test_more_than_was_sent_or_is_left_is_refused_and_nothing_is_booked(
    moving: TransferCalls, shop: Shop, engine: Engine
) -> None:
    tea, mug = shop.items(2, units=10)
    there = shop.item(0, product=tea.product_id)
    number = moving.sent(there.warehouse_id, (tea, 10), (mug, 3))
    with transfer_stays(engine, number, tea, mug, there):
        assert refused(partial(moving.receive, number, "1", arrived(mug, 3), arrived(tea, 11))) == (
            "InvalidRequest",
            {"product_id": tea.product_id, "quantity": 11, "in_transit": 10},
        )
    moving.receive(number, "1", arrived(tea, 5, damaged=1))
    numbers = {"product_id": tea.product_id, "quantity": 5, "in_transit": 4}
    with transfer_stays(engine, number, tea, mug, there):
        for lines in (
            [arrived(mug, 3), arrived(tea, 5)],
            [arrived(tea, 0, damaged=5)],
            [arrived(tea, 4, damaged=1)],
            [arrived(tea, 3), arrived(mug, 3), arrived(tea, 2)],
        ):
            assert refused(partial(moving.receive, number, "2", *lines)) == ("InvalidRequest", numbers)
    # The receipt wasn't booked, so its name is still free.
    assert moving.receive(number, "2", arrived(tea, 4), arrived(mug, 3)).status is S.RECEIVED


def test_what_was_not_sent_does_not_arrive(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    tea, mug = shop.items(2, units=5)
    there = shop.item(0, product=tea.product_id)
    number = moving.sent(there.warehouse_id, (tea, 5))
    with transfer_stays(engine, number, tea, mug, there):
        no = "InvalidRequest", {"product_id": mug.product_id}
        assert refused(lambda: moving.receive(number, "1", arrived(tea, 1), arrived(mug, 1))) == no
        assert refused(lambda: moving.receive(number, "1", arrived(mug, 0, damaged=1))) == no


DELIVERIES: dict[str, Callable[[ItemKey, ItemKey], list[ArrivedLine]]] = {
    "another quantity": lambda tea, mug: [arrived(tea, 3, damaged=1), arrived(mug, 1)],
    "damaged units more": lambda tea, mug: [arrived(tea, 2, damaged=2), arrived(mug, 1)],
    "as many units": lambda tea, mug: [arrived(tea, 1, damaged=2), arrived(mug, 1)],
    "a product less": lambda tea, _: [arrived(tea, 2, damaged=1)],
    "another product": lambda tea, mug: [arrived(mug, 2, damaged=1), arrived(tea, 1)],
}


@pytest.mark.parametrize("other", DELIVERIES.values(), ids=DELIVERIES)
def test_a_receipt_has_one_effect_and_one_meaning_even_when_its_operation_is_forgotten(
    moving: TransferCalls, shop: Shop, engine: Engine, other: Callable[[ItemKey, ItemKey], list[ArrivedLine]]
) -> None:
    tea, mug = shop.items(2, units=5)
    places = [shop.item(0, product=item.product_id) for item in (tea, mug)]
    number = moving.sent(places[0].warehouse_id, (tea, 5), (mug, 5))
    lines = [arrived(tea, 2, damaged=1), arrived(mug, 1)]
    booked = moving.receive(number, "1", *lines)
    another = partial(moving.receive, number, "1", *other(tea, mug))
    with transfer_stays(engine, number, tea, mug, *places):
        assert moving.receive(number, "1", *lines, as_of=LATER) == booked
        assert refused(another) == ("OperationConflict", {})
    forget(engine, f"transfer-{number}/receive/1")
    with transfer_stays(engine, number, tea, mug, *places):
        assert refused(another) == ("OperationConflict", {})
    before = papers(engine, number)
    # Twice, because the first brings the operation back; and with its products told in another way.
    for _ in range(2):
        assert moving.receive(number, "1", *lines[::-1], as_of=LATER) == booked
    assert papers(engine, number) == before


@pytest.mark.parametrize("end", ["complete", "write_off", "cancel"])
def test_a_forgotten_receipt_is_known_after_the_end_too(
    moving: TransferCalls, shop: Shop, engine: Engine, end: str
) -> None:
    item = shop.item(5)
    there = shop.item(0, product=item.product_id)
    number = moving.sent(there.warehouse_id, (item, 5))
    moving.receive(number, "1", arrived(item, 2, damaged=1))
    ends = {
        "complete": partial(moving.receive, number, "2", arrived(item, 2)),
        "write_off": partial(moving.write_off, number),
        "cancel": partial(moving.cancel, number),
    }
    ended = ends[end]()
    forget(engine, f"transfer-{number}/receive/1")
    before = papers(engine, number), level(engine, item), level(engine, there)
    # The same units, told in two lines.
    assert moving.receive(number, "1", arrived(item, 1), arrived(item, 1, damaged=1), as_of=LATER) == ended
    assert (papers(engine, number), level(engine, item), level(engine, there)) == before


def test_a_receipts_name_is_its_transfers_own(moving: TransferCalls, shop: Shop, engine: Engine) -> None:
    item, there = shop.item(10), shop.warehouse()
    for balance in (5, 10):
        number = moving.sent(there, (item, 5))
        assert moving.receive(number, "1", arrived(item, 5)).status is S.RECEIVED
        assert movements(engine, number)[1:] == [_in(number, _at(item, there), "1", 5, balance)]


def test_the_latest_receipts_are_shown_in_the_order_in_which_they_came(moving: TransferCalls, shop: Shop) -> None:
    item = shop.item(200)
    number = moving.sent(shop.warehouse(), (item, 200))
    # One person books a hundred damaged units alone.
    moving.approve_difference(number, "0", units=RECEIPTS_SHOWN + 1)
    # Names that sort otherwise than they come.
    names = [f"{RECEIPTS_SHOWN - count}" for count in range(RECEIPTS_SHOWN + 1)]
    for place, name in enumerate(names):
        shown = moving.receive(number, name, arrived(item, place % 2, damaged=1))
    assert _shown(shown) == [(name, place % 2, 1) for place, name in enumerate(names)][1:]
    assert {receipt.performed_by for receipt in shown.receipts} == {"dora"}


def test_a_write_off_takes_all_that_is_missing_and_touches_no_stock(
    moving: TransferCalls, shop: Shop, engine: Engine
) -> None:
    tea, mug = shop.items(2, units=5)
    there = shop.warehouse()
    number = moving.sent(there, (tea, 5), (mug, 4))
    moving.receive(number, "1", arrived(mug, 4))
    ledger = movements(engine, number)
    lost = moving.write_off(number, "the van burnt out")
    assert (lost.status, lost.closed_reason) == (S.RECEIVED, "the van burnt out")
    assert lines_of(lost) == [Units(5, written_off=5), Units(4, received=4)]
    assert movements(engine, number) == ledger
    assert transit(engine, number)[3:] == [(1, "WRITTEN_OFF", -5, 0, None, "dora", "the van burnt out")]
    assert stocked(engine, _at(tea, there)) is None
    assert [level(engine, item) for item in (tea, mug, _at(mug, there))] == [(0, 0), (1, 0), (4, 0)]


def test_cancelled_on_its_way_it_brings_back_what_has_not_arrived_and_nothing_else(
    moving: TransferCalls, database: Database, shop: Shop, engine: Engine
) -> None:
    tea, mug = shop.items(2, units=10)
    there, steps = shop.warehouse(), Steps(database)
    steps.reserve(new_reference(), (tea, 2))
    number = moving.sent(there, (tea, 6), (mug, 4), (tea, 2))
    moving.receive(number, "1", arrived(tea, 3, damaged=1), arrived(mug, 4))
    cancelled = moving.cancel(number, "wrong van", as_of=LATER)
    assert (cancelled.status, cancelled.closed_reason) == (S.CANCELLED, "wrong van")
    assert lines_of(cancelled) == [
        Units(6, received=3, damaged=1, returned=2),
        Units(4, received=4),
        Units(2, returned=2),
    ]
    reason = f"back from transfer {number}, cancelled in transit: wrong van"
    assert movements(engine, number)[5:] == [
        (*tea, "TRANSFER_IN", 2, 4, "tom", reason),
        (*tea, "TRANSFER_IN", 2, 6, "tom", reason),
    ]
    assert transit(engine, number)[-2:] == [
        (1, "RETURNED", -2, 0, None, "tom", reason),
        (3, "RETURNED", -2, 0, None, "tom", reason),
    ]
    places = [tea.warehouse_id, there]
    assert whereabouts(engine, [tea.product_id], places) == Whereabouts((6, 3), 0, damaged=1, written_off=0)
    assert whereabouts(engine, [mug.product_id], places) == Whereabouts((6, 4), 0, damaged=0, written_off=0)
    # What is back can be sold at once, and what was reserved before still is.
    steps.reserve(new_reference(), (tea, 4))
    assert level(engine, tea) == (6, 6)
