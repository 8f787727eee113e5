"""A start that is wrong: a clear error at once, a run that has failed with the same, and nothing stored."""

import pytest
from sqlalchemy import Engine, select

from database.tables import products
from stockkeeper.domain.stock import ItemKey
from tests.support.approvals import NO_APPROVAL
from tests.support.bad_messages import SENT_STARTS
from tests.support.bad_messages.purchase_order import rights
from tests.support.bad_starts import Clerk, some
from tests.support.purchase_order import Purchasing, draft, wanted
from tests.support.shop import Shop
from tests.support.wire import Json, Refusal


@pytest.fixture
def clerk(purchasing: Purchasing, shop: Shop, engine: Engine, item: ItemKey) -> Clerk:
    """Starts orders of one unit of the item."""
    supplier = shop.supplier()

    def right(number: str) -> dict[str, Json]:
        return draft(number, supplier, item.warehouse_id, wanted(item, 1), approval=NO_APPROVAL)

    return Clerk(purchasing, engine, "po", right)


async def test_an_invalid_start_is_refused(clerk: Clerk) -> None:
    await clerk.are_invalid(SENT_STARTS["purchase_order"].messages)


async def test_an_invalid_start_that_nobody_waits_for_fails_the_run(clerk: Clerk) -> None:
    await clerk.are_invalid(some(SENT_STARTS["purchase_order"].messages), "start")


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
    await clerk.first_commands_are_refused("UnknownSupplier", rights(item), supplier_id=2**62)
