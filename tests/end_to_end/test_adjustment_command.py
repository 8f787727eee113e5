"""`stockkeeper adjust`: names where the wire has ids, what a command changed, and one line on an error."""

import json
from pathlib import Path

from sqlalchemy import Engine

from tests.support.adjustment import Adjusting, named, priced
from tests.support.books import level, nothing_is_stored
from tests.support.commands import Command, names
from tests.support.reservation import Orders
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, eventually


def rows_of(printed: str) -> list[list[str]]:
    """What stands beside each product in a printed table."""
    return [line.split() for line in printed.splitlines() if line.strip().startswith("SKU-")]


async def test_what_would_end_a_hold_waits_and_says_whose_however_little_it_is_worth(
    command: Command, orders: Orders, shop: Shop, engine: Engine
) -> None:
    tea = shop.item(12, product=priced(shop, "2.40"))
    mug = shop.item(0, warehouse=tea.warehouse_id)
    (sku, place), (other, _) = names(engine, tea), names(engine, mug)
    buyer, number = new_reference(), new_reference("a")
    await orders.reserve(buyer, (tea, 10))
    made = await command(
        *("adjust", "create", number, "--warehouse", place, "--line", f"{sku}=-3", "--line", f"{other}=+2"),
        *("--reason", "broken in the rain", "--performed-by", "tom"),
    )
    assert (made.exit_code, level(engine, tea), level(engine, mug)) == (0, (12, 10), (0, 0))
    lines = made.stdout.splitlines()
    assert lines[:2] == [
        f"adjustment {number}: PENDING, worth 7.20 and 2 units of unknown cost, in {place}",
        "asked for by tom: broken in the rain",
    ]
    assert f"an approval would end the hold of order {buyer}: 10 units of {sku}" in lines
    assert rows_of(made.stdout) == [[sku, "-3", "2.40", "7.20"], [other, "+2", "unknown"]]
    made = await command("adjust", "approve", number, "--approver", "ann")
    assert (made.exit_code, level(engine, tea), level(engine, mug)) == (0, (9, 0), (2, 0))
    lines = made.stdout.splitlines()
    assert lines[0] == f"adjustment {number}: PENDING → POSTED, worth 7.20 and 2 units of unknown cost, in {place}"
    assert lines[-1] == f"gave way: order {buyer}, 10 units of {sku}"


async def test_several_are_approved_at_once_and_one_refusal_stops_none(
    command: Command, shop: Shop, engine: Engine
) -> None:
    item = shop.item(100, product=priced(shop, "600.00"))
    sku, place = names(engine, item)
    numbers = [new_reference("a") for _ in range(3)]
    for number, asked_by in zip(numbers, ("tom", "ann", "tom"), strict=True):
        made = await command(
            *("adjust", "create", number, "--warehouse", str(item.warehouse_id), "--line", f"id:{item.product_id}=-1"),
            *("--reason", "stolen", "--performed-by", asked_by),
        )
        assert made.exit_code == 0
    assert "waits for another person's approval; cancelled unless approved by 20" in made.stdout

    async def waiting() -> list[Json]:
        found = json.loads((await command("adjust", "inbox", "--json")).stdout)
        return [row for row in found if row["adjustment_number"] in numbers]

    rows = await eventually(waiting, lambda found: len(found) == 3)
    assert [row["adjustment_number"] for row in rows] == numbers
    assert {name: rows[0][name] for name in ("warehouse", "value", "unvalued_units", "requested_by", "reason")} == {
        "warehouse": place,
        "value": "600.00",
        "unvalued_units": 0,
        "requested_by": "tom",
        "reason": "stolen",
    }
    shown = (await command("adjust", "inbox")).stdout
    assert [row.split()[0] for row in shown.splitlines() if place in row] == numbers

    approved = await command("adjust", "approve", *numbers, "--approver", "ann", "--note", "so be it")
    assert approved.exit_code == 1
    assert approved.stdout.splitlines() == [
        f"adjustment {number}: PENDING → POSTED, worth 600.00" for number in (numbers[0], numbers[2])
    ]
    assert approved.stderr == (
        f"{numbers[1]}: NotPermitted: adjustment {numbers[1]} was requested by ann; another person has to approve it\n"
    )
    rejected = await command("adjust", "reject", numbers[1], "--approver", "bob", "--reason", "count again")
    assert rejected.stdout.splitlines()[:3] == [
        f"adjustment {numbers[1]}: PENDING → REJECTED, worth 600.00, in {place}",
        "asked for by ann: stolen",
        "rejected: count again",
    ]
    assert f"Rejected: {named(engine, numbers[1], '600.00')}: count again" in rejected.stderr
    one = await command("adjust", "show", numbers[0])
    assert one.stdout.splitlines()[0] == f"adjustment {numbers[0]}: POSTED, worth 600.00, in {place}"
    assert "approved by ann: so be it" in one.stdout.splitlines()
    assert await eventually(waiting, lambda found: not found) == []
    late = await command("adjust", "cancel", numbers[0], "--reason", "found it")
    told = f"InvalidState: adjustment {numbers[0]} has been posted and can't be cancelled\n"
    assert (late.exit_code, late.stdout, late.stderr) == (1, "", told)

    async def listed() -> list[Json]:
        options = ("--status", "REJECTED", "--sku", sku, "--json")
        return list(json.loads((await command("adjust", "list", *options)).stdout))

    [row] = await eventually(listed, bool)
    assert {name: value for name, value in row.items() if name != "run_id"} == {
        "adjustment_number": numbers[1],
        "status": "REJECTED",
        "warehouse": place,
        "value": "600.00",
        "unvalued_units": 0,
        "requested_by": "ann",
        "reason": "stolen",
        "skus": [sku],
        "warehouses": [place],
        "workflow_id": f"adjustment-{numbers[1]}",
    }
    printed = (await command("adjust", "list", "--sku", sku)).stdout
    assert sorted(line.split()[0] for line in printed.splitlines() if place in line) == sorted(numbers)
    assert level(engine, item) == (98, 0)


async def test_lines_come_from_a_file(command: Command, shop: Shop, engine: Engine, tmp_path: Path) -> None:
    first, second = shop.items(2, 10)
    (sku, place), (other, _) = names(engine, first), names(engine, second)
    file = tmp_path / "lines.csv"
    file.write_text(f"quantity,sku\n-3, {sku}\n4,{other}\n+1,{sku}\n")
    made = await command(
        *("adjust", "create", new_reference("a"), "--warehouse", place, "--lines", str(file)),
        *("--reason", "stocktaking", "--json"),
    )
    assert [line["quantity"] for line in json.loads(made.stdout)["lines"]] == [-3, 4, 1]
    assert (level(engine, first), level(engine, second)) == ((8, 0), (14, 0))


async def test_a_line_that_is_wrong_is_one_line_and_stores_nothing(
    command: Command, adjusting: Adjusting, shop: Shop, engine: Engine, tmp_path: Path
) -> None:
    item = shop.item(10)
    (sku, place), rows = names(engine, item), tmp_path / "rows.csv"
    rows.write_text(f"sku,quantity\n{sku},-1\n{sku},--2\n{sku},1.5\n,3\n")
    shape, needs = "must be SKU=UNITS, such as TEA-100=-3", "needs a sku and whole units, without dots or commas"
    number, short = new_reference("a"), "15 to be taken off, 10 on hand"
    cases = {
        ("--line", f"{sku}=-8", "--line", f"{sku}=-7"): f"InsufficientStock: {sku} in {place}: {short}",
        ("--line", f"{sku}=0"): "InvalidRequest: lines.0.quantity: must not be zero",
        (
            "--line",
            f"{sku}=-",
        ): f"InvalidRequest: --line '{sku}=-': '-' must be whole units, without dots or commas, such as TEA-100=-3",
        (
            "--line",
            f"{sku}=--1",
        ): f"InvalidRequest: --line '{sku}=--1': '--1' must be whole units, without dots or commas, such as TEA-100=-3",
        ("--line", sku): f"InvalidRequest: --line '{sku}': {shape}",
        ("--line", "nothing=2"): "UnknownProduct: no product is called 'nothing'",
        (): "InvalidRequest: give the lines with --line, or a file of them with --lines",
        ("--lines", str(rows)): f"InvalidRequest: line 3: {needs}; line 4: {needs}; line 5: {needs}",
    }
    with nothing_is_stored(engine):
        for options, message in cases.items():
            made = await command("adjust", "create", number, "--warehouse", place, "--reason", "r", *options)
            assert (made.exit_code, made.stdout, made.stderr) == (1, "", message + "\n")
    # The first of them has left a trace.
    await adjusting.result(number)
    shown = await command("adjust", "show", number)
    assert (shown.exit_code, shown.stdout.splitlines()[0]) == (0, f"adjustment {number}: REJECTED, in {place}")
    assert f"short: {sku}: {short}" in shown.stdout.splitlines()
    assert rows_of(shown.stdout) == [[sku, "-8"], [sku, "-7"]]
    unknown = new_reference("a")
    for verb in (["show"], ["approve"], ["reject", "--reason", "r"], ["cancel", "--reason", "r"]):
        none = await command("adjust", verb[0], unknown, *verb[1:])
        told = f"NotFound: adjustment {unknown} doesn't exist\n"
        assert (none.exit_code, none.stdout, none.stderr) == (1, "", told)
