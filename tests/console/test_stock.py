"""Stock: found by SKU, name and barcode, with the numbers of each warehouse and the reasons behind them."""

import re
from collections.abc import Sequence
from html import unescape

import pytest
from sqlalchemy import insert, update

from database import tables
from stockkeeper.domain.permission import Role
from stockkeeper.domain.stock import ItemKey
from tests.support.console import DESKTOP, PHONE, AtTheConsole, axe_finds, picture
from tests.support.inspection import Inspecting
from tests.support.purchase_order import Purchasing
from tests.support.reservation import Orders
from tests.support.shop import Shop, new_reference


def rows_in(page: str) -> list[list[str]]:
    """The cells of every row of a page's tables, as they are read."""
    found = []
    for row in re.findall(r"<tr[^>]*>(.*?)</tr>", page, re.DOTALL):
        cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        hidden = [re.sub(r'<span class="hidden">.*?</span>', "", cell) for cell in cells]
        found.append([unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", cell))).strip() for cell in hidden])
    return found


def row_of(page: str, name: str) -> list[str]:
    """The row that begins with this."""
    [row] = [each for each in rows_in(page) if each and each[0].startswith(name)]
    return row


class Named:
    """Gives products and warehouses of a test names that people search for."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.word = new_reference("Quux").replace("-", "")

    def product(self, name: str) -> tuple[int, str]:
        """A product called so, and its SKU."""
        product, sku = self.shop.product(), f"{self.word}-{name.split(maxsplit=1)[0]}"
        column = tables.products.c
        with self.shop.engine.begin() as connection:
            named = update(tables.products).where(column.product_id == product)
            connection.execute(named.values(sku=sku, name=f"{name} {self.word}"))
        return product, sku

    def warehouse(self, name: str, timezone: str = "Europe/Berlin") -> tuple[int, str]:
        """A warehouse called so, and its whole name."""
        warehouse, called = self.shop.warehouse(timezone), f"{name} {self.word}"
        column = tables.warehouses.c
        with self.shop.engine.begin() as connection:
            connection.execute(update(tables.warehouses).where(column.warehouse_id == warehouse).values(name=called))
        return warehouse, called

    def barcode(self, product: int) -> str:
        """A barcode of a product."""
        code = f"own-{new_reference()}"
        with self.shop.engine.begin() as connection:
            row = {"barcode": code, "product_id": product, "unit": "each", "quantity": 1}
            connection.execute(insert(tables.product_barcodes), row)
        return code


@pytest.fixture
def named(shop: Shop) -> Named:
    return Named(shop)


@pytest.fixture
async def tea(
    shop: Shop, named: Named, orders: Orders, inspecting: Inspecting, purchasing: Purchasing
) -> tuple[ItemKey, str, Sequence[str]]:
    """100 of a tea: 12 held for an order, 5 set aside, 40 on order and confirmed for 24 December, below its point."""
    product, sku = named.product("Assam loose leaf")
    hamburg, place = named.warehouse("Hamburg")
    item = shop.item(100, product=product, warehouse=hamburg)
    shop.set_point(item, 200, 50)
    order, inspection, po = new_reference("ORDER"), new_reference("INS"), new_reference("PO")
    await orders.reserve(order, (item, 12))
    await inspecting.open(inspection, (item, 5), state="DAMAGED")
    await purchasing.draft(po, shop.supplier(), [(item, 40)])
    await purchasing.confirm(po, "2126-12-24")
    return item, sku, [place, order, inspection, po]


async def test_a_product_is_found_by_its_name_with_all_of_its_numbers(
    console: AtTheConsole, tea: tuple[ItemKey, str, Sequence[str]], named: Named
) -> None:
    _, sku, [place, *_] = tea
    lily = await console.person("lily", [Role.LOOK])
    page = await lily.get(f"/stock?q=loose+{named.word}")
    assert f'<a href="/stock/{sku}">{sku}</a>' in page
    assert row_of(page, place) == [place, "83", "100", "12", "5 5 damaged", "40 24 Dec 2126", "200 below it"]
    lily.http.headers["Accept-Language"] = "de"
    german = await lily.get(f"/stock?q=loose+{named.word}")
    assert row_of(german, place)[4:] == ["5 5 beschädigt", "40 24.12.2126", "200 unterschritten"]


async def test_a_scan_leads_to_its_product_and_a_name_of_nothing_says_so(console: AtTheConsole, named: Named) -> None:
    product, sku = named.product("Ceylon")
    code = named.barcode(product)
    lily = await console.person("lily", [Role.LOOK])
    for typed in (code, sku):
        answered = await lily.http.get("/stock", params={"q": typed})
        assert (answered.status_code, answered.headers["location"]) == (303, f"/stock/{sku}")
    assert "No product has these words" in await lily.get(f"/stock?q={named.word}+nowhere")
    assert "Never in stock." in await lily.get(f"/stock?q={named.word}")


async def test_stock_of_one_warehouse_only(console: AtTheConsole, named: Named, shop: Shop) -> None:
    product, _ = named.product("Darjeeling")
    (one, here), (other, there) = named.warehouse("Bremen"), named.warehouse("Aachen")
    for warehouse, units in ((one, 7), (other, 1_234)):
        shop.item(units, product=product, warehouse=warehouse)
    lily = await console.person("lily", [Role.LOOK])
    page = await lily.get(f"/stock?q={named.word}")
    assert [row[0] for row in rows_in(page)[1:]] == [there, here]
    assert row_of(page, there)[1:3] == ["1,234", "1,234"]
    page = await lily.get(f"/stock?q={named.word}&warehouse={one}")
    assert [row[:2] for row in rows_in(page)[1:]] == [[here, "7"]]
    assert "There is no warehouse 999999999." in await lily.get("/stock?warehouse=999999999", status=404)
    assert "Choose a warehouse" in await lily.get("/stock?warehouse=x", status=422)


@pytest.mark.usefixtures("needs_browser")
@pytest.mark.parametrize("screen", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_results_come_as_one_types(
    console: AtTheConsole, tea: tuple[ItemKey, str, Sequence[str]], named: Named, screen: dict[str, int]
) -> None:
    _, sku, _ = tea
    page = await console.page("lily", [Role.LOOK], screen=screen)
    await page.goto("/stock")
    assert await axe_finds(page) == []
    await page.keyboard.type(f"loose {named.word}")
    await page.get_by_role("link", name=sku).wait_for()
    await picture(page, f"stock_{screen['width']}")
    assert await axe_finds(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= screen["width"]
    await page.context.close()
