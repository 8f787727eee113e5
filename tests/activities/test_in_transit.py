"""What is between warehouses: by product and way, filtered, and page by page."""

from typing import Any

import pytest
from sqlalchemy import Engine, text
from temporalio.exceptions import ApplicationError

from activities.stock import StockQuestions
from database.sessions import Database
from stockkeeper.contracts.stock import InTransit, InTransitPage, ShowInTransit
from stockkeeper.domain.stock import ItemKey
from tests.support.shop import Shop
from tests.support.steps.activity import MINUTE, NOON, refused
from tests.support.steps.transfer import TransferCalls, arrived

HOUR = 60 * MINUTE


class Asking:
    """Asks as the activity is asked, by the names that people know."""

    def __init__(self, database: Database, engine: Engine) -> None:
        self._questions, self._engine = StockQuestions(database), engine

    def page(self, **question: Any) -> InTransitPage:
        return self._questions.show_in_transit(ShowInTransit(**question))

    def lines(self, **question: Any) -> list[InTransit]:
        """All that there is, on one page."""
        page = self.page(**question)
        assert not page.more
        return page.lines

    def pages(self, **question: Any) -> list[list[InTransit]]:
        """All that there is, each page after the last line of the one before."""
        page = self.page(**question)
        pages = [page.lines]
        while page.more:
            last = pages[-1][-1]
            page = self.page(**question, after=(last.sku, last.from_warehouse, last.to_warehouse))
            assert page.lines[0] != last, "the same line again"
            pages.append(page.lines)
        return pages

    def product(self, item: ItemKey) -> dict[str, Any]:
        """A product as a line names it."""
        query = text("SELECT product_id, sku, name FROM products WHERE product_id = :product_id")
        with self._engine.connect() as connection:
            return dict(connection.execute(query, item._asdict()).mappings().one())

    def place(self, warehouse_id: int) -> str:
        query = text("SELECT name FROM warehouses WHERE warehouse_id = :warehouse_id")
        with self._engine.connect() as connection:
            return str(connection.execute(query, {"warehouse_id": warehouse_id}).scalar_one())

    def expected(self, item: ItemKey, to: int, quantity: int, **other: Any) -> InTransit:
        """A line as it has to be: one transfer, which left at noon and is never due, unless told otherwise."""
        usual: dict[str, Any] = {"transfers": 1, "dispatched_at": NOON, "due_at": None}
        return InTransit(
            **self.product(item),
            from_warehouse_id=item.warehouse_id,
            from_warehouse=self.place(item.warehouse_id),
            to_warehouse_id=to,
            to_warehouse=self.place(to),
            quantity=quantity,
            **usual | other,
        )


@pytest.fixture
def asking(database: Database, engine: Engine) -> Asking:
    """The question, acting as the worker's role."""
    return Asking(database, engine)


def test_units_of_one_product_on_one_way_are_one_line(asking: Asking, moving: TransferCalls, shop: Shop) -> None:
    tea, mug = shop.items(2, units=100)
    there, elsewhere = shop.warehouse(), shop.warehouse()
    first = moving.held(there, (tea, 3), (mug, 4), (tea, 5), hours=72)
    moving.dispatch(first, as_of=NOON + 2 * HOUR)
    second = moving.held(there, (tea, 10), hours=24)
    moving.dispatch(second, as_of=NOON + 3 * HOUR)
    third = moving.held(there, (tea, 20))
    moving.dispatch(third, as_of=NOON + HOUR)
    moving.sent(elsewhere, (tea, 40))
    # Neither what hasn't left nor what has arrived is in transit.
    moving.held(there, (tea, 1))
    assert moving.receive(moving.sent(there, (tea, 1)), "1", arrived(tea, 1)).status == "RECEIVED"
    moving.receive(second, "1", arrived(tea, 2, damaged=1))
    assert asking.lines(from_warehouse=asking.place(tea.warehouse_id)) == [
        asking.expected(
            tea,
            there,
            3 + 5 + 7 + 20,
            transfers=3,
            dispatched_at=NOON + HOUR,
            # The second is due before the first; the third, which left before them, never is.
            due_at=NOON + 27 * HOUR,
        ),
        asking.expected(tea, elsewhere, 40),
        asking.expected(mug, there, 4, dispatched_at=NOON + 2 * HOUR, due_at=NOON + 74 * HOUR),
    ]


@pytest.mark.parametrize("end", ["receive", "write_off", "cancel"])
def test_what_has_ended_is_not_in_transit(asking: Asking, moving: TransferCalls, shop: Shop, end: str) -> None:
    item = shop.item(5)
    number = moving.sent(shop.warehouse(), (item, 5))
    of_item = {"product": str(item.product_id)}
    assert [line.quantity for line in asking.lines(**of_item)] == [5]
    if end == "receive":
        moving.receive(number, "1", arrived(item, 4, damaged=1))
    else:
        (moving.write_off if end == "write_off" else moving.cancel)(number)
    assert asking.lines(**of_item) == []


def test_it_is_asked_for_by_product_by_source_and_by_destination(
    asking: Asking, moving: TransferCalls, shop: Shop
) -> None:
    tea = shop.item(9)
    here = tea.warehouse_id
    mug = shop.item(9, warehouse=here)
    there, elsewhere = shop.warehouse(), shop.warehouse()
    tea_there = shop.item(9, product=tea.product_id, warehouse=there)
    moving.sent(there, (tea, 1), (mug, 2))
    moving.sent(elsewhere, (tea, 3))
    moving.sent(here, (tea_there, 4))

    def quantities(product: ItemKey | None = None, source: int | None = None, to: int | None = None) -> list[int]:
        """The same whether they are called by their names or by their ids."""
        names = {
            "product": product and asking.product(product)["sku"],
            "from_warehouse": source and asking.place(source),
            "to_warehouse": to and asking.place(to),
        }
        ids = {
            "product": product and str(product.product_id),
            "from_warehouse": source and str(source),
            "to_warehouse": to and str(to),
        }
        lines = asking.lines(**names)
        assert asking.lines(**ids) == lines
        return [line.quantity for line in lines]

    # In the order of products, sources and destinations.
    assert quantities(tea) == [1, 3, 4]
    assert quantities(mug) == [2]
    assert quantities(source=here) == [1, 3, 2]
    assert quantities(source=there) == [4]
    assert quantities(to=there) == [1, 2]
    assert quantities(to=here) == [4]
    assert quantities(source=here, to=elsewhere) == [3]
    assert quantities(tea, source=here) == [1, 3]
    assert quantities(tea, source=here, to=there) == [1]
    assert quantities(mug, to=elsewhere) == []
    assert quantities(source=elsewhere) == []
    assert quantities(source=here, to=here) == []


def test_it_comes_page_by_page(
    asking: Asking, moving: TransferCalls, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    tea, mug = shop.items(2, units=9)
    here = asking.place(tea.warehouse_id)
    places = [shop.warehouse() for _ in range(3)]
    for place in places[::-1]:
        moving.sent(place, (mug, 1), (tea, 1), (mug, 1))
    # By name, and of two numbers 1000 comes before 999.
    everything = sorted(
        (asking.expected(item, place, units) for item, units in ((tea, 1), (mug, 2)) for place in places),
        key=lambda line: (line.sku, line.to_warehouse),
    )
    for at_once, sizes in ((1, [1] * 6), (2, [2] * 3), (4, [4, 2]), (5, [5, 1]), (6, [6]), (7, [6])):
        monkeypatch.setattr("activities.stock.IN_TRANSIT_AT_ONCE", at_once)
        pages = asking.pages(from_warehouse=here)
        assert [len(page) for page in pages] == sizes
        assert [line for page in pages for line in page] == everything
    of_mugs = [line for line in everything if line.product_id == mug.product_id]
    assert asking.pages(from_warehouse=here, product=asking.product(mug)["sku"]) == [of_mugs]


def test_without_a_filter_it_is_all_that_is_in_transit(
    asking: Asking, moving: TransferCalls, shop: Shop, engine: Engine
) -> None:
    items = shop.items(2, units=5)
    there = shop.warehouse()
    moving.sent(there, *((item, 5) for item in items))
    lines = [line for page in asking.pages() for line in page]
    assert [line for line in lines if line.to_warehouse_id == there] == [
        asking.expected(item, there, 5) for item in items
    ]
    with engine.connect() as connection:
        units, ways = connection.execute(
            text("""
                SELECT sum(in_transit), count(DISTINCT (product_id, from_warehouse_id, to_warehouse_id))
                FROM transfer_order_lines JOIN transfer_orders USING (transfer_id) WHERE in_transit > 0
            """)
        ).one()
    assert (sum(line.quantity for line in lines), len(lines)) == (units, ways)


def test_a_product_or_warehouse_that_nobody_knows_is_named(asking: Asking, shop: Shop) -> None:
    known = asking.place(shop.warehouse())
    no_warehouse: tuple[str, dict[str, list[int]]] = ("UnknownWarehouse", {"warehouse_ids": []})
    assert refused(lambda: asking.page(product="NO-SUCH-SKU")) == ("UnknownProduct", {"product_ids": []})
    assert refused(lambda: asking.page(from_warehouse="Atlantis", to_warehouse=known)) == no_warehouse
    assert refused(lambda: asking.page(from_warehouse=known, to_warehouse="Atlantis")) == no_warehouse
    with pytest.raises(ApplicationError, match="no warehouse is called 'Atlantis', 'Eldorado'"):
        asking.page(from_warehouse="Atlantis", to_warehouse="Eldorado")
