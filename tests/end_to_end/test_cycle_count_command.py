"""`stockkeeper count`: names where the wire has ids, what came of each line, and one line on an error."""

import getpass
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from stockkeeper import CycleCount, CycleCountState, Unreachable
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_is_stored
from tests.support.commands import Command, DocumentCommands, names
from tests.support.cycle_count import Line, lines, midday
from tests.support.cycle_count_rows import movements
from tests.support.refusals import refusal_of
from tests.support.reservation import Orders
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, eventually


def rows_of(printed: str) -> dict[str, list[str]]:
    """What stands beside the first cell of each row of a printed table, whose columns are two spaces apart or more."""
    rows = [re.split(r"\s{2,}", line.strip()) for line in printed.splitlines()]
    return {row[0]: row[1:] for row in rows if len(row) > 1}


class Walk(DocumentCommands):
    """A count of some products by the command line."""

    def __init__(self, command: Command, engine: Engine, items: Sequence[ItemKey]) -> None:
        super().__init__(command, "count", new_reference("count"))
        self.items = items
        self.skus = [names(engine, item)[0] for item in items]
        self.place = names(engine, items[0])[1]

    async def start(self) -> None:
        """Say what is to be counted."""
        options = [option for sku in self.skus for option in ("--sku", sku)]
        await self.told("start", "--warehouse", self.place, *options, "--performed-by", "wanda")

    async def in_part(self, verb: str, *options: str) -> tuple[str, list[str]]:
        """What a command prints that was refused in part, and the lines about that."""
        done = await self.run(verb, *options)
        assert done.exit_code == 1
        return done.stdout, done.stderr.splitlines()


@pytest.fixture
async def walk(command: Command, shop: Shop, engine: Engine) -> Walk:
    """Three products of which there are ten units each."""
    walk = Walk(command, engine, shop.items(3, 10))
    await walk.start()
    return walk


async def test_a_list_is_counted_until_all_of_it_is_in_the_books(command: Command, shop: Shop, engine: Engine) -> None:
    items = shop.items(3, 10)
    walk = Walk(command, engine, items)
    number, (a, b, c) = walk.number, walk.skus
    made = await walk.told("start", "--warehouse", walk.place, "--sku", a, "--sku", b, "--sku", c, "--sku", a)
    assert made.splitlines()[0] == f"count {number}: COUNTING, {walk.place}, 3 items: 3 to count"
    assert [rows_of(made)[sku] for sku in (a, b, c)] == [["COUNTING"]] * 3
    sheet = await walk.told("sheet")
    assert sheet.splitlines()[0] == f"count {number}, {walk.place}: 3 items to count"
    assert [row[1:] for sku, row in rows_of(sheet).items() if sku in {a, b, c}] == [["_" * 10]] * 3

    # One is right, one is beyond tolerance, and one isn't on the list.
    (other, _) = names(engine, shop.item(1))
    first = ("--line", f"{a}=9", "--line", f"{b}=4", "--line", f"{other}=1")
    told, refusals = await walk.in_part("record", *first, "--root-cause", "damage", "--performed-by", "ann")
    assert told.splitlines()[0] == (
        f"count {number}: COUNTING, {walk.place}, 3 items: 1 to count, 1 beyond tolerance, 1 in the books"
    )
    again = "beyond tolerance: a person other than ann has to count it again or approve it"
    assert rows_of(told)[a] == ["9", "ann", "COUNTING → POSTED", "the books had 10: -1, DAMAGE"]
    assert rows_of(told)[b] == ["4", "ann", "COUNTING → REVIEW", again]
    assert not {c, other} & set(rows_of(told))
    assert refusals == [f"{other}: InvalidRequest: {other} isn't on count {number}"]
    # Sent again, it says the same, and counts once.
    with nothing_is_stored(engine):
        told, refusals = await walk.in_part("record", *first, "--root-cause", "DAMAGE", "--performed-by", "ann")
        assert [rows_of(told)[sku][2] for sku in (a, b)] == ["POSTED", "REVIEW"]
        assert len(refusals) == 1
        assert await walk.refused("record", "--line", f"{b}=5", "--performed-by", "Ann") == (
            f"NotPermitted: {b} of count {number} was counted by Ann; another person has to count it again\n"
        )

    # Who counts again sees neither what was counted nor what the books have.
    assert await walk.json("sheet") == [
        {"sku": sku, "product_id": item.product_id, "name": rows_of(sheet)[sku][0], "not_by": person}
        for sku, item, person in sorted([(b, items[1], "ann"), (c, items[2], None)], key=lambda row: row[0])
    ]
    sheet = await walk.told("sheet")
    assert sheet.splitlines()[0] == f"count {number}, {walk.place}: 2 items to count, 1 of them again"
    assert rows_of(sheet)[b][1:] == ["_" * 10, "ann"]
    shown = rows_of(await walk.told("show"))
    assert (shown[b], shown[a]) == (
        ["REVIEW", "4", "ann", "DAMAGE"],
        ["POSTED", "9", "ann", "10", "-1", "DAMAGE"],
    )

    told = await walk.told("record", "--line", f"{b}=5", "--line", f"{c}=10", "--performed-by", "bob")
    assert told.splitlines()[0] == f"count {number}: COUNTING → POSTED, {walk.place}, 3 items: 3 in the books"
    assert rows_of(told)[b][2:] == ["REVIEW → POSTED", "the books had 10: -5, DAMAGE"]
    assert rows_of(told)[c][2:] == ["COUNTING → POSTED", "as the books had it"]
    assert [level(engine, item) for item in items] == [(9, 0), (5, 0), (10, 0)]
    assert await walk.told("sheet") == f"count {number}, {walk.place}: nothing is to be counted any more\n"
    assert (
        await walk.refused("cancel", "--reason", "late")
        == f"InvalidState: {refusal_of('count', number, 'POSTED', 'cancel')}\n"
    )

    async def listed() -> list[Json]:
        result = await command("count", "list", "--status", "POSTED", "--sku", b, "--json")
        return list(json.loads(result.stdout))

    [row] = await eventually(listed, bool)
    assert {name: value for name, value in row.items() if name not in {"run_id", "requested_by"}} == {
        "count_number": number,
        "status": "POSTED",
        "warehouse": walk.place,
        "items": 3,
        "to_count": 0,
        "in_review": 0,
        "skus": [a, b, c],
        "warehouses": [walk.place],
        "workflow_id": f"cycle-count-{number}",
    }
    assert rows_of((await command("count", "list", "--sku", c)).stdout)[number][:5] == [
        "POSTED",
        walk.place,
        "3",
        "0",
        "0",
    ]


async def test_those_who_approve_see_the_numbers_and_decide_on_several(
    command: Command, walk: Walk, engine: Engine
) -> None:
    a, b, c = walk.skus
    for sku, units, person in ((a, 4, "ann"), (b, 17, "bob")):
        await walk.told("record", "--line", f"{sku}={units}", "--performed-by", person)
    options = ("--count", walk.number, "--warehouse", walk.place)
    seen = rows_of((await command("count", "review", *options)).stdout)
    assert list(seen) == ["count", walk.number]  # A count's rows have no other name: the last one is b's.
    result = await command("count", "review", *options, "--json")
    assert [
        (row["sku"], row["counted_quantity"], row["system_quantity"], row["delta"], row["counted_by"])
        for row in json.loads(result.stdout)
    ] == sorted([(a, 4, 10, -6, "ann"), (b, 17, 10, 7, "bob")])
    limited = await command("count", "review", *options, "--limit", "1")
    assert (limited.stdout.count(walk.number), limited.stderr) == (1, "the first 1; --limit shows more\n")

    # Bob may decide on Ann's count and not on his own, and nobody on what wasn't counted.
    told, refusals = await walk.in_part("approve", a, b, c, "--root-cause", "Theft", "--approver", "bob")
    assert rows_of(told)[a] == ["4", "ann", "REVIEW → POSTED", "the books had 10: -6, THEFT, approved by bob"]
    assert refusals == [
        f"{b}: NotPermitted: {b} of count {walk.number} was counted by bob; another person has to approve it",
        f"{c}: InvalidState: {c} of count {walk.number} isn't counted yet",
    ]
    told = await walk.told("approve", a, "--root-cause", "THEFT", "--approver", "bob")
    assert rows_of(told)[a] == ["4", "ann", "POSTED", "the books had 10: -6, THEFT, approved by bob"]
    assert [row[3] for row in movements(engine, walk.number)] == [-6]
    state = await walk.json("approve", b, "--root-cause", "receiving_error", "--approver", "boss")
    assert lines(state) == [
        Line("POSTED", 4, "ann", "THEFT", "bob", 10, -6),
        Line("POSTED", 17, "bob", "RECEIVING_ERROR", "boss", 10, 7),
        Line(),
    ]
    nothing = await command("count", "review", *options)
    assert (nothing.exit_code, nothing.stdout) == (0, "nothing waits for a second count or an approval\n")

    given_up = await walk.told("cancel", "--reason", "the lift is broken")
    assert given_up.splitlines()[0] == (
        f"count {walk.number}: COUNTING → CANCELLED, {walk.place}, 3 items: 2 in the books, 1 given up"
    )
    assert "given up: the lift is broken" in given_up.splitlines()
    assert rows_of(given_up)[c] == ["COUNTING → CANCELLED"]

    # The first counts of both were beyond tolerance.
    accuracy = await command("count", "accuracy", "--warehouse", walk.place)
    numbers = ["2", "0", "0.0 %", "13", "65.0 %"]
    shown = rows_of(accuracy.stdout)
    assert (shown[walk.place][1:], shown["in all"]) == (["-", *numbers], numbers)
    result = await command("count", "accuracy", "--warehouse", walk.place, "--since", "1999-12-31", "--json")
    assert [(row["counted"], row["accurate"], row["units_off"]) for row in json.loads(result.stdout)] == [(2, 0, 13)]
    later = await command("count", "accuracy", "--warehouse", walk.place, "--since", "2199-12-31")
    assert (later.exit_code, later.stdout) == (0, "nothing was counted\n")


async def test_a_hold_that_gives_way_is_told(command: Command, orders: Orders, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    sku, place = names(engine, item)
    reference, number = new_reference(), new_reference("count")
    await orders.reserve(reference, (item, 10))
    await command("count", "start", number, "--warehouse", place, "--sku", sku)
    told = await command("count", "record", number, "--line", f"{sku}=9", "--performed-by", "ann")
    assert (told.exit_code, level(engine, item)) == (0, (10, 10))
    shown = await command("count", "review", "--count", number, "--json")
    [variance] = json.loads(shown.stdout)
    assert [(each["reference_id"], each["quantity"]) for each in variance["would_end"]] == [(reference, 10)]
    shown = await command("count", "review", "--count", number)
    assert f"order {reference} (10)" in " ".join(shown.stdout.split())
    told = await command(*("count", "approve", number, sku, "--root-cause", "DAMAGE", "--approver", "cid"))
    assert told.exit_code == 0
    assert f"gave way: order {reference}, 10 units of {sku}" in told.stdout.splitlines()
    shown = await command("count", "show", number)
    assert f"gave way: order {reference}, 10 units of {sku}" in shown.stdout.splitlines()
    assert (await orders.result(reference))["status"] == "CANCELLED"
    assert level(engine, item) == (9, 0)


async def test_lists_and_counts_come_from_files(command: Command, shop: Shop, engine: Engine, tmp_path: Path) -> None:
    items = shop.items(2, 10)
    walk = Walk(command, engine, items)
    wanted, counted = tmp_path / "wanted.csv", tmp_path / "counted.csv"
    wanted.write_text(f"sku\n{walk.skus[0]}\n {walk.skus[1]} \n")
    counted.write_text(f"quantity,sku\n10,{walk.skus[0]}\n0,{walk.skus[1]}\n")
    started = await walk.json("start", "--warehouse", str(items[0].warehouse_id), "--skus", str(wanted))
    assert [line["product_id"] for line in started["lines"]] == [item.product_id for item in items]
    state = await walk.json("record", "--lines", str(counted), "--performed-by", "ann")
    assert (state["status"], lines(state)) == (
        "REVIEW",
        [Line("POSTED", 10, "ann", None, None, 10, 0), Line("REVIEW", 0, "ann")],
    )
    assert movements(engine, walk.number) == []


async def test_when_nobody_answers_any_more_it_is_said_what_was_taken(
    walk: Walk, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, c = walk.skus
    record = CycleCount.record

    async def without_an_answer(count: CycleCount, product_id: int, units: int, **said: Any) -> CycleCountState:
        if units == 5:
            raise Unreachable("no answer within 30 s; is a worker running?")
        return await record(count, product_id, units, **said)

    said = ("record", "--line", f"{a}=9", "--line", f"{b}=5", "--line", f"{c}=10", "--performed-by", "ann")
    with monkeypatch.context() as patched:
        patched.setattr(CycleCount, "record", without_an_answer)
        told, rest = await walk.in_part(*said)
    assert rows_of(told)[a][2] == "COUNTING → POSTED"
    assert not {b, c} & set(rows_of(told))
    assert rest == [
        f"{b}: Unreachable: no answer within 30 s; is a worker running?",
        "1 more line not sent; run the same command again, no line counts twice",
    ]
    told = await walk.told(*said)
    assert [rows_of(told)[sku][2] for sku in (a, b, c)] == ["POSTED", "COUNTING → REVIEW", "COUNTING → POSTED"]
    assert [row[3] for row in movements(engine, walk.number)] == [-1]


async def test_what_is_due_is_started_once(command: Command, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    _, place = names(engine, item)
    number = f"CC-{item.warehouse_id}-{midday(engine, item.warehouse_id)}"
    planned = await command("count", "plan", "--warehouse", place)
    assert (planned.exit_code, planned.stderr) == (0, "")
    assert planned.stdout.splitlines()[0] == "1 count started, 1 item to count"
    assert rows_of(planned.stdout)[number] == [place, "1", "0"]
    again = await command("count", "plan", "--warehouse", place)
    assert (again.exit_code, again.stdout) == (0, "0 counts started, 0 items to count\n")
    assert again.stderr == f"not started: {place}: count {number} was made before\n"
    result = await command("count", "plan", "--warehouse", place, "--json")
    assert (json.loads(result.stdout)["counts_started"], result.stderr) == (0, "")
    wrong = await command("count", "plan", "--warehouse", "nowhere")
    assert (wrong.exit_code, wrong.stdout, wrong.stderr) == (
        1,
        "",
        "UnknownWarehouse: no warehouse is called 'nowhere'\n",
    )


async def test_what_is_wrong_is_one_line_and_stores_nothing(
    command: Command, walk: Walk, engine: Engine, tmp_path: Path
) -> None:
    sku, *_ = walk.skus
    columns, rows, twice = tmp_path / "columns.csv", tmp_path / "rows.csv", tmp_path / "twice.csv"
    columns.write_text("sku,units\nA,1\n")
    rows.write_text(f"sku,quantity\n{sku},1\n{sku},-2\n,3\n")
    twice.write_text(f"sku,quantity\n{sku},6\n{sku},4\n")
    more = tmp_path / "more.csv"
    more.write_text("sku\nA\n\nB,7\n")
    to_count = "InvalidRequest: give what is to be counted with --sku, or a file of it with --skus"
    was_counted = "InvalidRequest: give what was counted with --line, or a file of it with --lines"
    by_boss = ("--root-cause", "THEFT", "--approver", "boss")
    cases: dict[tuple[str, ...], str] = {
        ("start", "--warehouse", walk.place): to_count,
        ("start", "--warehouse", walk.place, "--sku", sku, "--skus", str(more)): to_count,
        ("start", "--warehouse", walk.place, "--sku", "nothing"): "UnknownProduct: no product is called 'nothing'",
        ("start", "--warehouse", "nowhere", "--sku", sku): "UnknownWarehouse: no warehouse is called 'nowhere'",
        (
            "start",
            "--warehouse",
            walk.place,
            "--sku",
            sku,
        ): (
            f"OperationConflict: count {walk.number} already exists with other contents: it was requested by wanda, "
            f"not by {getpass.getuser()}; "
            + "; ".join(f"product {item.product_id} is on it" for item in walk.items[1:])
        ),
        ("start", "--warehouse", walk.place, "--skus", str(columns)): (
            "ignored columns: units\nUnknownProduct: no product is called 'A'"
        ),
        ("start", "--warehouse", walk.place, "--skus", str(more)): ("InvalidRequest: line 4: needs a sku alone"),
        ("record",): was_counted,
        ("record", "--line", f"{sku}=1", "--lines", str(rows)): was_counted,
        ("record", "--line", f"{sku}=some"): (
            f"InvalidRequest: --line '{sku}=some': 'some' "
            "must be whole units, without dots or commas, such as TEA-100=45"
        ),
        ("record", "--line", "nothing=1"): "UnknownProduct: no product is called 'nothing'",
        ("record", "--line", f"{sku}=10000000000"): (
            "InvalidRequest: counted_quantity: Input should be less than or equal to 1000000000"
        ),
        ("record", "--lines", str(columns)): (
            f"InvalidRequest: {columns}: the columns have to be sku, quantity and, of tracked products, lot_number and "
            "expires_on"
        ),
        ("record", "--lines", str(rows)): (
            "InvalidRequest: line 3: needs a sku and whole units, without dots or commas; "
            "line 4: needs a sku and whole units, without dots or commas"
        ),
        ("record", "--lines", str(twice)): (
            f"InvalidRequest: {sku} is listed twice; give it once, with the whole quantity"
        ),
        ("approve", sku, *by_boss): f"InvalidState: {sku} of count {walk.number} isn't counted yet",
        ("approve", sku, sku, *by_boss): (
            f"InvalidRequest: {sku} is listed twice; give it once, with the whole quantity"
        ),
        ("cancel", "--reason", ""): "InvalidRequest: reason: String should have at least 1 character",
    }
    with nothing_is_stored(engine):
        for (verb, *options), message in cases.items():
            assert await walk.refused(verb, *options) == message + "\n"
        unknown = new_reference("count")
        for verb, *rest in (
            ["show"],
            ["sheet"],
            ["record", "--line", f"{sku}=1"],
            ["approve", sku, *by_boss],
            ["cancel", "--reason", "no time"],
        ):
            result = await command("count", verb, unknown, *rest)
            told = f"NotFound: count {unknown} doesn't exist\n"
            assert (result.exit_code, result.stdout, result.stderr) == (1, "", told)
        cause = await command("count", "approve", walk.number, sku, "--root-cause", "bad luck")
        assert (cause.exit_code, cause.stdout) == (2, "")
