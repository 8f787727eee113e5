"""What an operator, and whoever takes the goods back, sees of a run without reading code."""

from datetime import datetime

from sqlalchemy import Engine
from temporalio.api.enums.v1 import EventType

from stockkeeper.contracts.messages import utc
from tests.support.commands import names
from tests.support.customer_return import Returns, found, sent, stored
from tests.support.shop import Shop, new_reference
from tests.support.shown import finds, tells_its_commands
from tests.support.wire import Json, cells


async def test_runs_are_found_by_status_sku_warehouse_and_number_and_a_list_shows_what_is_expected(
    returns: Returns, shop: Shop, engine: Engine
) -> None:
    tea, mug = shop.items(2, units=2)
    (sku, place), (other, _) = names(engine, tea), names(engine, mug)
    one, two = new_reference("back"), new_reference("back")
    await returns.create(one, (tea, 3), (mug, 2))
    await returns.create(two, (tea, 1), reference_id="1043")

    async def memo(number: str) -> Json:
        return await (await returns.handle(number).describe()).memo()

    mine = f'WorkflowType="ReturnWorkflow" and StockWarehouses="{place}"'
    await finds(
        returns,
        {
            f'{mine} and StockSkus="{sku}"': [one, two],
            f'{mine} and StockSkus="{other}"': [one],
            f'StockReference="{one}"': [one],
            f'{mine} and StockStatus="EXPECTED"': [one, two],
        },
    )
    shown = {"warehouse": place, "reference_id": "1042", "units": 5, "expected": 5, "requested_by": "cleo"}
    assert await memo(one) == shown
    await returns.inspect(one, found(tea, 1, 1))
    assert await memo(one) == shown | {"expected": 3}
    await returns.close_short(one)
    await returns.close_short(two)
    await finds(returns, {f'{mine} and StockStatus="INSPECTED"': [one], f'{mine} and StockStatus="CANCELLED"': [two]})
    # What isn't expected any more isn't waited for.
    assert await memo(one) == shown | {"expected": 0}


async def test_the_details_tell_where_it_stands_what_was_found_and_what_comes_next(
    returns: Returns, shop: Shop, engine: Engine
) -> None:
    tea, mug = shop.items(2, units=2)
    (sku, place), (other, _) = names(engine, tea), names(engine, mug)
    number = new_reference("back")
    of = f"5 units of order 1042 → {place}."
    then = "Next: `inspect` what has come, or `close_short`: the rest won't."

    async def details() -> list[str]:
        return (await returns.metadata(number)).current_details.splitlines()

    async def tables() -> list[list[str]]:
        return [row for row in cells("\n".join(await details())) if not row[0].startswith("--")]

    await returns.create(number, (tea, 3), (mug, 2))
    asked = f"Registered by cleo at {utc(stored(engine, number).created_at)}."
    assert (await details())[:3] == [f"**EXPECTED** · {of} 5 units still expected. {then}", "", asked]
    assert await tables() == [
        ["product", "units", "restocked", "scrapped", "still expected"],
        [sku, "3", "0", "0", "3"],
        [other, "2", "0", "0", "2"],
    ]
    state = await returns.inspect(number, found(tea, 2, 1), found(mug, None, 1), inspection_id="box|1")
    at = utc(datetime.fromisoformat(state["inspections"][0]["at"]))
    assert (await details())[0] == f"**EXPECTED** · {of} 1 unit still expected. {then}"
    assert (await tables())[1:4] == [
        [sku, "3", "2", "1", "0"],
        [other, "2", "0", "1", "1"],
        ["inspection", "at", "by", "restocked", "scrapped"],
    ]
    assert f"|box\\|1|{at}|ines|2|2|" in [line.replace("\u2003", "").replace("\u00a0", " ") for line in await details()]
    await returns.signal(number, "inspect", {"performed_by": "ines"})
    [note] = await returns.noted(number, 1)
    assert (await details())[-1].endswith(f" UTC: {note}")
    await returns.close_short(number, "lost in the post")
    await returns.result(number)
    assert (await details())[0] == f"**INSPECTED** · {of} The rest never came: lost in the post."
    assert (await tables())[:3] == [
        ["product", "units", "restocked", "scrapped", "never came"],
        [sku, "3", "2", "1", "0"],
        [other, "2", "0", "1", "1"],
    ]


async def test_each_end_says_what_it_is_and_each_step_what_it_does(returns: Returns, shop: Shop) -> None:
    async def told(number: str) -> tuple[str, list[str], list[str]]:
        """The first line without what it is about, the columns, and the steps."""
        await returns.result(number)
        details = (await returns.metadata(number)).current_details
        status, _, rest = details.splitlines()[0].partition(" · 10 units of order 1042 → ")
        steps = await returns.summaries(number, EventType.EVENT_TYPE_MARKER_RECORDED)
        return f"{status} {rest.partition('. ')[2]}", cells(details)[0], steps

    came, gone = await sent(returns, shop), await sent(returns, shop)
    await returns.inspect(came.number, found(came.item, 7), inspection_id="box-1")
    await returns.inspect(came.number, found(came.item, 2, 1))
    assert await told(came.number) == (
        "**INSPECTED** All of it came.",
        ["product", "units", "restocked", "scrapped"],
        [
            "expect 1 line of order 1042",
            "inspected by ines: 7 restocked, 0 scrapped",
            "inspected by ines: 2 restocked, 1 scrapped",
        ],
    )
    await returns.close_short(gone.number, "lost in the post")
    assert await told(gone.number) == (
        "**CANCELLED** Nothing came: lost in the post.",
        ["product", "units", "restocked", "scrapped", "never came"],
        ["expect 1 line of order 1042", "the rest isn't expected: lost in the post"],
    )


async def test_the_run_tells_its_commands(returns: Returns, shop: Shop) -> None:
    number, _ = await sent(returns, shop)
    await tells_its_commands(returns, number, "approve_difference", "close_short", "inspect")
