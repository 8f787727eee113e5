"""Pages that follow what changes, and streams that end with them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from starter.console.live import STREAMS, STREAMS_OF_A_SESSION
from stockkeeper.domain.permission import Role
from tests.support.console import DESKTOP, AtTheConsole, Person
from tests.support.console_stock import Tea
from tests.support.reservation import Orders
from tests.support.shop import Shop, new_reference


async def _until(count: int) -> None:
    async with asyncio.timeout(10):
        while len(STREAMS) != count:  # noqa: ASYNC110 - a stream says nothing when it ends
            await asyncio.sleep(0.01)


class _Stream:
    """A stream that is read, message by message."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def message(self) -> dict[str, str]:
        """The next message that says something, by field; empty: the stream has ended."""
        found: dict[str, str] = {}
        async with asyncio.timeout(20):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if name in ("id", "event", "data"):
                    found[name] = value
                elif not line and found:
                    return found
        return found


@asynccontextmanager
async def _following(person: Person, path: str, **headers: str) -> AsyncIterator[_Stream]:
    async with person.http.stream("GET", path, headers=headers) as answered:
        assert answered.status_code == 200
        assert answered.headers["content-type"].startswith("text/event-stream")
        yield _Stream(answered.aiter_lines())


async def _cursors(console: AtTheConsole) -> dict[str, int]:
    return await console.console.stock.events_cursors()


async def test_a_stream_tells_of_its_products_and_goes_on_where_it_ended(
    console: AtTheConsole, shop: Shop, orders: Orders
) -> None:
    item, other = shop.item(10), shop.item(10)
    lily = await console.person("lily", [Role.LOOK])
    path, after = f"/live?products={item.product_id}", json.dumps(await _cursors(console))
    await orders.reserve(new_reference(), (other, 1))
    await orders.reserve(new_reference(), (item, 1))
    async with _following(lily, f"{path}&after={after}") as stream:
        await _until(1)
        told = await stream.message()
    assert (told["event"], json.loads(told["data"])) == ("changed", {"products": [item.product_id]})
    await _until(0)
    await orders.reserve(new_reference(), (item, 2))
    async with _following(lily, f"{path}&after={after}", **{"Last-Event-ID": told["id"]}) as stream:
        again = await stream.message()
    numbers = [next(iter(json.loads(each["id"]).values())) for each in (told, again)]
    assert numbers[0] < numbers[1]
    await _until(0)


async def test_a_session_has_a_few_streams_and_the_oldest_ends(console: AtTheConsole, shop: Shop) -> None:
    product = shop.product()
    lily = await console.person("lily", [Role.LOOK])
    ends: list[dict[str, Any]] = []
    async with _following(lily, f"/live?products={product}") as oldest:
        await _until(1)
        async with asyncio.TaskGroup() as group:
            others = [asyncio.Event() for _ in range(STREAMS_OF_A_SESSION)]

            async def hold(until: asyncio.Event) -> None:
                async with _following(lily, f"/live?products={product}"):
                    await until.wait()

            for each in others:
                group.create_task(hold(each))
            ends.append(await oldest.message())
            await _until(STREAMS_OF_A_SESSION)
            for each in others:
                each.set()
    assert ends == [{"event": "end", "data": "{}"}]
    await _until(0)


@pytest.mark.parametrize(
    "query", ["of=secrets", "products=x", "products=1,%27", "after=x", "after=[1]", "products=" + "1," * 101]
)
async def test_what_is_no_stream_is_refused(console: AtTheConsole, query: str) -> None:
    lily = await console.person("lily", [Role.LOOK])
    assert "no such stream" in await lily.get(f"/live?{query}", status=422)
    assert len(STREAMS) == 0


@pytest.mark.usefixtures("needs_browser")
async def test_a_page_that_is_open_shows_what_changes_and_its_stream_ends_with_it(
    console: AtTheConsole, tea: Tea, orders: Orders
) -> None:
    page = await console.page("lily", [Role.LOOK], screen=DESKTOP)
    await page.goto(f"/stock/{tea.sku}")
    await _until(1)
    assert "12" in await page.locator("#levels tbody td").nth(2).inner_text()
    await orders.reserve(new_reference(), (tea.item, 30))
    await page.locator("#levels tbody td.flash", has_text="42").wait_for()
    await page.goto("/stock?q=" + tea.sku[:-2])
    await _until(1)
    await page.evaluate("document.activeElement.blur()")
    await orders.reserve(new_reference(), (tea.item, 8))
    await page.locator("#found tbody td", has_text="50").wait_for()
    await page.goto("/lots")
    await _until(0)
    await page.context.close()
