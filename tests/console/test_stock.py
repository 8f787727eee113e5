"""Stock: found by SKU, name and barcode, with the numbers of each warehouse and the reasons behind them."""

import pytest

from stockkeeper.domain.permission import Role
from tests.support.console import DESKTOP, PHONE, AtTheConsole, axe_finds, picture
from tests.support.console_stock import Named, Tea, row_of, rows_in
from tests.support.shop import Shop


async def test_a_product_is_found_by_its_name_with_all_of_its_numbers(
    console: AtTheConsole, tea: Tea, named: Named
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
async def test_results_come_as_one_types(console: AtTheConsole, tea: Tea, named: Named, screen: dict[str, int]) -> None:
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
