"""A start that is wrong: a clear error at once, a run that has failed with the same, and nothing stored."""

import pytest
from sqlalchemy import Engine, select

from database.tables import products
from stockkeeper.domain.stock import ItemKey
from tests.support.approvals import NO_APPROVAL, ONE_APPROVAL
from tests.support.bad import (
    BAD_MONEY,
    Spoil,
    any_message,
    bad_days,
    bad_lines,
    bad_start,
    bad_text,
    line_without,
    with_fields,
    with_line,
    without,
)
from tests.support.bad_starts import Clerk
from tests.support.purchase_order import Purchasing, approval, came, draft, receipt, wanted
from tests.support.shop import Shop
from tests.support.wire import Json, Refusal

_HOURS_OF_A_YEAR = 366 * 24


def _policies() -> dict[str, Json]:
    """What isn't an approval policy."""
    to_all = {"up_to": None, "approvals": 1}

    def tiers(*tiers: Json) -> Json:
        return ONE_APPROVAL | {"tiers": list(tiers)}

    def upto(bound: Json) -> Json:
        return {"up_to": bound, "approvals": 0}

    return {
        "a string": "two of them",
        "a list": [ONE_APPROVAL],
        "a number": 1,
        "true": True,
        "an empty object": {},
        "an unknown field": ONE_APPROVAL | {"colour": "red"},
        "without tiers": {name: value for name, value in ONE_APPROVAL.items() if name != "tiers"},
        "with no tier": tiers(),
        "with null for tiers": ONE_APPROVAL | {"tiers": None},
        "with a tier of null": tiers(None),
        "with a tier without a bound": tiers({"approvals": 1}),
        "with a tier without approvals": tiers({"up_to": None}),
        "with an unknown field in a tier": tiers(to_all | {"who": "ann"}),
        "with too many tiers": tiers(*(upto(each) for each in range(50)), to_all),
        "with a bound at the end": tiers(upto("10.00")),
        "with no bound before the end": tiers(to_all, to_all),
        "with bounds that fall": tiers(upto("10.00"), upto("9.99"), to_all),
        "with equal bounds": tiers(upto("10.00"), upto(10), to_all),
        "with a bound that is a float": tiers(upto(10.0), to_all),
        "with a bound that is negative": tiers(upto("-1.00"), to_all),
        "with a bound that is true": tiers(upto(True), to_all),
        **{
            f"with approvals {name}": tiers({"up_to": None, "approvals": value})
            for name, value in {
                "negative": -1,
                "too many": 21,
                "a fraction": 1.5,
                "a float": 1.0,
                "a string": "1",
                "true": True,
                "null": None,
                "not a number": float("nan"),
            }.items()
        },
        **{
            f"cancel_after_hours {name}": ONE_APPROVAL | {"cancel_after_hours": value}
            for name, value in {
                "zero": 0,
                "negative": -1,
                "too long": _HOURS_OF_A_YEAR + 1,
                "a string": "24",
                "true": True,
                "not a number": float("nan"),
                "infinite": float("inf"),
            }.items()
        },
        **{
            f"{field} null": ONE_APPROVAL | {field: None}
            for field in ("remind_after_hours", "escalate_after_hours", "cancel_after_hours")
        },
        **{f"{field} zero": ONE_APPROVAL | {field: 0} for field in ("remind_after_hours", "escalate_after_hours")},
    }


INVALID: dict[str, Spoil] = {
    **bad_start("po_number", "supplier_id", "warehouse_id", units="qty"),
    **bad_text("reason", at_most=500),
    **bad_days("expected_delivery_date"),
    **{f"unit_cost {name}": with_line(unit_cost=value) for name, value in BAD_MONEY.items()},
    **{f"approval {name}": with_fields(approval=value) for name, value in _policies().items()},
    "reason missing": without("reason"),
    "unit_cost missing": line_without("unit_cost"),
    "unit_cost null": with_line(unit_cost=None),
    "unit_cost past the most": with_line(unit_cost="1000000000000"),
    "a line of a reservation": with_line(quantity=1),
}


@pytest.fixture
def clerk(purchasing: Purchasing, shop: Shop, engine: Engine, item: ItemKey) -> Clerk:
    """Starts orders of one unit of the item."""
    supplier = shop.supplier()

    def right(number: str) -> dict[str, Json]:
        return draft(number, supplier, item.warehouse_id, wanted(item, 1), approval=NO_APPROVAL)

    return Clerk(purchasing, engine, "po", right)


async def test_an_invalid_start_is_refused(clerk: Clerk) -> None:
    await clerk.are_invalid(INVALID)


async def test_an_invalid_start_that_nobody_waits_for_fails_the_run(clerk: Clerk) -> None:
    await clerk.are_invalid(any_message("requested_by") | bad_lines("product_id", units="qty"), "start")


async def test_what_is_not_there_is_named(clerk: Clerk, item: ItemKey, shop: Shop, engine: Engine) -> None:
    far = 2**62
    strangers = [wanted(item._replace(product_id=far + each), 1) for each in (2, 1)]
    inactive = [wanted(item._replace(product_id=shop.product(is_active=False)), 1) for _ in range(2)]
    right = wanted(item, 1)
    with engine.connect() as connection:
        ids = [line["product_id"] for line in inactive]
        rows = connection.execute(select(products.c.sku).where(products.c.product_id.in_(ids)))
        skus = sorted(rows.scalars())
    cases: list[tuple[dict[str, Json], Refusal]] = [
        ({"supplier_id": far}, Refusal("UnknownSupplier", {"supplier_ids": [far]}, f"no supplier with id {far}")),
        ({"warehouse_id": far}, Refusal("UnknownWarehouse", {"warehouse_ids": [far]}, f"no warehouse with id {far}")),
        (
            {"line_items": [right, *strangers]},
            Refusal("UnknownProduct", {"product_ids": [far + 1, far + 2]}, f"no product with id {far + 1}, {far + 2}"),
        ),
        (
            {"line_items": [right, *inactive]},
            Refusal("InvalidRequest", {}, f"no longer active: {', '.join(skus)}"),
        ),
    ]
    await clerk.are_named(cases)


async def test_a_thousand_unknown_products_are_named_within_bounds(clerk: Clerk, item: ItemKey) -> None:
    strangers = [wanted(item._replace(product_id=2**62 + each), 1) for each in range(1_000)]
    await clerk.thousand_products_are_named(line_items=strangers)


async def test_a_run_under_a_wrong_name_is_told_the_right_one(clerk: Clerk) -> None:
    await clerk.wrong_name_is_corrected("purchase order")


async def test_a_command_to_a_start_that_is_wrong_fails_as_the_run_does(clerk: Clerk, item: ItemKey) -> None:
    commands: dict[str, Json] = {
        "approve": approval("ann"),
        "reject": {"approver": "ann", "reason": "too much"},
        "confirm": {"performed_by": "sam"},
        "receive": receipt("truck-1", came(item, 1)),
        "close_short": {"performed_by": "rita", "reason": "discontinued"},
        "cancel": {"performed_by": "rita", "reason": "not needed"},
    }
    await clerk.first_commands_are_refused("UnknownSupplier", commands, supplier_id=2**62)
