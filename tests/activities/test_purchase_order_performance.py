"""How long a supplier takes, and what it asked for last: measured, beside what the catalogue says."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, text

from stockkeeper.contracts.purchase_order import StoredPurchaseOrder
from stockkeeper.domain.purchase_order import PurchaseOrderStatus
from stockkeeper.domain.stock import ItemKey
from tests.support.shop import Shop, new_reference
from tests.support.steps.activity import NOON
from tests.support.steps.purchase_order import Buying, came, papers, policy_of, wanted

S = PurchaseOrderStatus
DAY = timedelta(days=1)

_KNOWN = text("""
    SELECT unit_cost, lead_time_days, lead_time_deviation_days, is_preferred, minimum_order_quantity, pack_size,
        last_unit_cost, lead_times_measured, measured_lead_time_days, measured_lead_time_deviation_days
    FROM product_suppliers WHERE (product_id, supplier_id) = (:product_id, :supplier_id)
""")
_AGREED = text("""
    INSERT INTO product_suppliers (product_id, supplier_id, unit_cost, lead_time_days, lead_time_deviation_days,
        is_preferred, minimum_order_quantity, pack_size)
    VALUES (:product_id, :supplier_id, 2.5, 9, 1.5, true, 10, 5)
""")
# As the statement above leaves them, in the order of the one before.
AGREED = (Decimal("2.5"), Decimal(9), Decimal("1.5"), True, 10, 5)


def _known(engine: Engine, item: ItemKey, supplier: int) -> tuple[Any, ...] | None:
    with engine.connect() as connection:
        of = {"product_id": item.product_id, "supplier_id": supplier}
        row = connection.execute(_KNOWN, of).one_or_none()
        return None if row is None else tuple(row)


def _agree(engine: Engine, item: ItemKey, supplier: int) -> None:
    with engine.begin() as connection:
        connection.execute(_AGREED, {"product_id": item.product_id, "supplier_id": supplier})


def _lead_times(engine: Engine, po_number: str) -> list[tuple[int, Decimal]]:
    return [(row[1], row[3]) for row in papers(engine, po_number)["supplier_lead_times"]]


def test_mean_and_deviation_over_three_orders_beside_what_was_agreed(
    buying: Buying, shop: Shop, engine: Engine
) -> None:
    item, supplier = shop.item(0), shop.supplier()
    _agree(engine, item, supplier)
    measured = []
    for days, unit_cost in ((5, "2.60"), (7, "2.40"), (12, "2.70")):
        po_number = buying.order(shop, (item, 5), supplier=supplier, unit_cost=unit_cost)
        buying.receive(po_number, "1", came(item, 5), as_of=NOON + days * DAY)
        assert _lead_times(engine, po_number) == [(item.product_id, Decimal(days))]
        known = _known(engine, item, supplier)
        assert known is not None
        assert known[:6] == AGREED
        measured.append(known[6:])
    # Of 5, 7 and 12 the mean is 8 and the sample's deviation the root of (9 + 1 + 16) / 2.
    assert measured == [
        (Decimal("2.6"), 1, Decimal(5), None),
        (Decimal("2.4"), 2, Decimal(6), Decimal("1.414214")),
        (Decimal("2.7"), 3, Decimal(8), Decimal("3.605551")),
    ]


def test_a_supplier_that_the_catalogue_does_not_have_for_it_is_kept_by_the_first_receipt(
    buying: Buying, shop: Shop, engine: Engine
) -> None:
    item, supplier = shop.item(0), shop.supplier()
    po_number = buying.order(shop, (item, 5), supplier=supplier, unit_cost="0.000001")
    assert _known(engine, item, supplier) is None
    buying.receive(po_number, "1", came(item, 1), as_of=NOON + 1.5 * DAY)
    # Not measured yet: the order isn't complete.
    learnt = (Decimal("0.000001"), Decimal("1.5"), None, False, 1, 1, Decimal("0.000001"))
    assert _known(engine, item, supplier) == (*learnt, 0, None, None)
    buying.receive(po_number, "2", came(item, 4), as_of=NOON + 4 * DAY + timedelta(hours=6))
    assert _known(engine, item, supplier) == (*learnt, 1, Decimal("4.25"), None)


def test_each_product_took_until_its_own_last_good_units(buying: Buying, shop: Shop, engine: Engine) -> None:
    tea, mug, pot = shop.items(3, units=0)
    supplier = shop.supplier()
    po_number = buying.order(shop, (tea, 5), (mug, 5), (pot, 5), supplier=supplier)
    buying.receive(po_number, "1", came(tea, 5), came(mug, 2), as_of=NOON + 2 * DAY)
    # What is rejected wasn't delivered, and what never came has no lead time.
    buying.receive(po_number, "2", came(mug, 3), came(pot, 0, rejected=5), as_of=NOON + 3 * DAY)
    buying.receive(po_number, "3", came(tea, 0, rejected=1), as_of=NOON + 4 * DAY)
    assert _lead_times(engine, po_number) == []
    assert buying.close_short(po_number, as_of=NOON + 9 * DAY).status is S.RECEIVED
    assert _lead_times(engine, po_number) == [(tea.product_id, Decimal(2)), (mug.product_id, Decimal(3))]
    measured = [_known(engine, item, supplier) for item in (tea, mug, pot)]
    assert [known and known[7:] for known in measured] == [(1, Decimal(2), None), (1, Decimal(3), None), None]


def test_the_time_counts_from_the_submission_and_not_from_the_draft(buying: Buying, shop: Shop, engine: Engine) -> None:
    item = shop.item(0)
    po_number = buying.order(shop, (item, 5), approvals=1)
    buying.approve(po_number, "ann", as_of=NOON + 3 * DAY)
    buying.confirm(po_number, as_of=NOON + 4 * DAY)
    buying.receive(po_number, "1", came(item, 5), as_of=NOON + 10 * DAY)
    assert _lead_times(engine, po_number) == [(item.product_id, Decimal(7))]


def test_a_product_of_which_every_unit_was_corrected_has_no_lead_time(
    buying: Buying, shop: Shop, engine: Engine
) -> None:
    tea, mug = shop.items(2, units=0)
    received, cancelled = buying.order(shop, (tea, 5), (mug, 5)), buying.order(shop, (tea, 5))
    for po in (received, cancelled):
        buying.receive(po, "1", came(tea, 2), as_of=NOON + DAY)
        buying.correct(po, "c-1", "1", came(tea, 2), as_of=NOON + 2 * DAY)
    buying.receive(received, "2", came(mug, 3), as_of=NOON + 3 * DAY)
    assert buying.close_short(received, as_of=NOON + 4 * DAY).status is S.RECEIVED
    assert buying.close_short(cancelled, as_of=NOON + 4 * DAY).status is S.CANCELLED
    assert (_lead_times(engine, received), _lead_times(engine, cancelled)) == ([(mug.product_id, Decimal(3))], [])


@pytest.mark.parametrize(
    "receipts",
    # The first receipt fills the first line only, or both at once.
    [[(2, 1, "1.10"), (3, 4, "1.20")], [(5, 4, "1.20")]],
    ids=["in parts", "at once"],
)
def test_a_product_on_two_lines_has_one_lead_time_and_the_last_lines_cost(
    buying: Buying, shop: Shop, engine: Engine, receipts: list[tuple[int, int, str]]
) -> None:
    item, supplier, po_number = shop.item(0), shop.supplier(), new_reference("po")
    lines = [wanted(item, 2, "1.10"), wanted(item, 3, "1.20")]
    buying.draft(po_number, supplier, item.warehouse_id, lines, approval=policy_of(0))
    for units, days, cost in receipts:
        buying.receive(po_number, f"day {days}", came(item, units), as_of=NOON + days * DAY)
        known = _known(engine, item, supplier)
        assert known is not None
        assert known[6] == Decimal(cost)
    assert _lead_times(engine, po_number) == [(item.product_id, Decimal(4))]


def test_the_same_product_from_another_supplier_is_measured_by_itself(
    buying: Buying, shop: Shop, engine: Engine
) -> None:
    item, quick, slow = shop.item(0), shop.supplier(), shop.supplier()
    for supplier, days in ((quick, 1), (slow, 20), (quick, 3)):
        po_number = buying.order(shop, (item, 5), supplier=supplier)
        buying.receive(po_number, "1", came(item, 5), as_of=NOON + days * DAY)
    measured = [_known(engine, item, supplier) for supplier in (quick, slow)]
    assert [known and known[7:] for known in measured] == [
        (2, Decimal(2), Decimal("1.414214")),
        (1, Decimal(20), None),
    ]


ENDS: dict[str, Callable[[Buying, str], StoredPurchaseOrder]] = {
    "cancelled": lambda buying, po_number: buying.cancel(po_number, as_of=NOON + DAY),
    "closed short of everything": lambda buying, po_number: buying.close_short(po_number, as_of=NOON + DAY),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_nothing_is_measured_where_nothing_came(
    buying: Buying, shop: Shop, engine: Engine, end: Callable[[Buying, str], StoredPurchaseOrder]
) -> None:
    item, supplier = shop.item(0), shop.supplier()
    _agree(engine, item, supplier)
    po_number = buying.order(shop, (item, 5), supplier=supplier)
    buying.receive(po_number, "1", came(item, 0, rejected=5), as_of=NOON + DAY)
    assert end(buying, po_number).status is S.CANCELLED
    assert _lead_times(engine, po_number) == []
    assert _known(engine, item, supplier) == (*AGREED, None, 0, None, None)


def test_goods_that_were_there_before_the_order_went_out_took_no_time(
    buying: Buying, shop: Shop, engine: Engine
) -> None:
    """Clocks of two workers may differ; a negative time would be nonsense."""
    item, supplier = shop.item(0), shop.supplier()
    po_number = buying.order(shop, (item, 5), supplier=supplier)
    buying.receive(po_number, "1", came(item, 5), as_of=NOON - DAY)
    assert _lead_times(engine, po_number) == [(item.product_id, Decimal(0))]
    known = _known(engine, item, supplier)
    assert known is not None
    assert (known[1], known[7:]) == (Decimal(0), (1, Decimal(0), None))
