"""A console on the session's stack, and a browser in front of it."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, async_playwright
from temporalio.client import Client

from devstack.stack import StackInfo
from starter.console.app import Console
from starter.console.serve import listening
from starter.console.settings import ConsoleSettings
from starter.console.sign_in import LocalSignIn
from stockkeeper.client.connection import Connection
from stockkeeper.client.stockkeeper import Stockkeeper
from tests.support.console import CHROMIUM, NO_CHROMIUM, AtTheConsole
from tests.support.console_stock import Named, Tea
from tests.support.inspection import Inspecting
from tests.support.purchase_order import Purchasing
from tests.support.reservation import Orders
from tests.support.shop import Shop, new_reference

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@pytest.fixture(scope="package")
async def browser() -> AsyncIterator[Browser | None]:
    """Debian's Chromium without a screen; None: it isn't there."""
    if CHROMIUM is None:
        yield None
        return
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


@pytest.fixture
def needs_browser(browser: Browser | None) -> None:
    """Skip a test that needs one where there is none."""
    if browser is None:
        pytest.skip(NO_CHROMIUM)


@pytest.fixture(scope="package")
async def console(
    our_client: Client, stack: StackInfo, worker: None, browser: Browser | None
) -> AsyncIterator[AtTheConsole]:
    """A console that listens, and a worker at the other end."""
    del worker
    sign_in = LocalSignIn()
    settings = ConsoleSettings("http://127.0.0.1:0", stack.ui_url, stack.namespace)
    made = Console(Stockkeeper(Connection(our_client, stack.task_queue)), settings, sign_in)
    async with listening(made.app(), "127.0.0.1", 0) as port:
        made.settings = ConsoleSettings(f"http://127.0.0.1:{port}", stack.ui_url, stack.namespace)
        desk = AtTheConsole(made, made.settings.url, sign_in, browser)
        yield desk
        await desk.close()


@pytest.fixture
def number() -> str:
    """A number of a document that nobody has used."""
    return new_reference("DOC")


@pytest.fixture
def named(shop: Shop) -> Named:
    """Makes products and warehouses with names that people search for."""
    return Named(shop)


@pytest.fixture
async def tea(shop: Shop, named: Named, orders: Orders, inspecting: Inspecting, purchasing: Purchasing) -> Tea:
    """An item with a reason for each of its numbers."""
    product, sku = named.product("Assam loose leaf")
    hamburg, place = named.warehouse("Hamburg")
    item = shop.item(100, product=product, warehouse=hamburg)
    shop.set_point(item, 200, 50)
    order, inspection, po = new_reference("ORDER"), new_reference("INS"), new_reference("PO")
    await orders.reserve(order, (item, 12))
    await inspecting.open(inspection, (item, 5), state="DAMAGED")
    await purchasing.draft(po, shop.supplier(), [(item, 40)])
    await purchasing.confirm(po, "2126-12-24")
    return Tea(item, sku, [place, order, inspection, po])
