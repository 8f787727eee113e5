"""The command line as a whole: the warehouse's own time, one inbox, sheets that come back, options named alike."""

import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, text

from devstack.processes import LOOPBACK, free_or_none
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level
from tests.support.commands import Command, names
from tests.support.shop import Shop, new_reference

ZONES = ("Asia/Tokyo", "America/Sao_Paulo")


@pytest.fixture
def two_places(shop: Shop, engine: Engine) -> list[ItemKey]:
    """One product in two warehouses, whose clocks are twelve hours apart."""
    product = shop.product()
    items = [shop.item(5, product=product), shop.item(7, product=product)]
    with engine.begin() as connection:
        for item, zone in zip(items, ZONES, strict=True):
            connection.execute(
                text("UPDATE warehouses SET timezone = :zone WHERE warehouse_id = :warehouse_id"),
                {"zone": zone, "warehouse_id": item.warehouse_id},
            )
    return items


async def test_a_product_s_history_without_a_warehouse_is_that_of_all_each_in_its_own_time(
    command: Command, two_places: list[ItemKey], shop: Shop, engine: Engine
) -> None:
    (sku, tokyo), (_, paulo) = (names(engine, item) for item in two_places)
    shop.move(two_places[0], -2)
    done = await command("stock", "history", "--sku", sku)
    assert done.exit_code == 0
    rows = [line for line in done.stdout.splitlines() if "ADJUSTMENT" in line]
    assert [("JST" in line, " -03 " in line) for line in rows] == [(True, False), (False, True), (True, False)]
    assert [tokyo in rows[0], paulo in rows[1], tokyo in rows[2]] == [True, True, True]
    found = json.loads((await command("stock", "history", sku, "--limit", "2", "--json")).stdout)
    assert [(row["warehouse"], row["quantity"], row["warehouse_id"]) for row in found] == [
        (tokyo, -2, two_places[0].warehouse_id),
        (paulo, 7, two_places[1].warehouse_id),
    ]


async def test_an_instant_without_an_offset_is_the_warehouse_s_own(
    command: Command, two_places: list[ItemKey], engine: Engine
) -> None:
    (sku, tokyo), (_, paulo) = (names(engine, item) for item in two_places)

    async def titled(*options: str) -> str:
        done = await command("stock", "at", "2026-03-01 12:00", sku, *options)
        assert (done.exit_code, done.stderr) == (0, "")
        return done.stdout.splitlines()[0].strip()

    assert await titled("--warehouse", tokyo) == "nothing has a movement by 2026-03-01 12:00:00 JST"
    assert await titled("--warehouse", paulo) == "nothing has a movement by 2026-03-01 12:00:00 -03"
    assert await titled() == "nothing has a movement by 2026-03-01 12:00:00 UTC"
    local = await command("--date-format", "DD.MM.YYYY", "stock", "at", "01.03.2026", sku, "--warehouse", tokyo)
    assert local.stdout.splitlines()[0].strip() == "nothing has a movement by 01.03.2026 00:00:00 JST"
    today = json.loads((await command("stock", "at", "today", "--warehouse", tokyo, "--json")).stdout)
    assert [(row["sku"], row["quantity_on_hand"]) for row in today] == [(sku, 5)]
    twice = await command("stock", "at", "now", sku, "--sku", sku)
    assert twice.stderr == "InvalidRequest: give the product once: as the argument, or with --sku\n"


async def test_a_document_is_shown_in_its_warehouse_s_time_and_its_value_with_the_currency(
    command: Command, two_places: list[ItemKey], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOCKKEEPER_CURRENCY", "EUR")
    (sku, tokyo), _ = (names(engine, item) for item in two_places)
    held = await command("reserve", "start", new_reference(), "--line", f"{sku}@{tokyo}=1")
    assert held.stdout.splitlines()[0].endswith(" JST")
    with engine.begin() as connection:
        connection.execute(text("UPDATE products SET unit_cost = 1200 WHERE sku = :sku"), {"sku": sku})
    number = new_reference("a")
    lost = await command("adjust", "create", number, "--warehouse", tokyo, "--line", f"{sku}=-2", "--reason", "r")
    assert lost.stdout.splitlines()[0] == f"adjustment {number}: PENDING, worth 2,400.00 EUR, in {tokyo}"
    assert "cancelled unless approved by" in lost.stdout
    assert " JST" in next(line for line in lost.stdout.splitlines() if "unless approved by" in line)
    assert (await command("adjust", "cancel", number, "--reason", "r")).exit_code == 0


async def test_goods_that_moved_earlier_are_booked_by_the_warehouse_s_own_clock(
    command: Command, two_places: list[ItemKey], engine: Engine
) -> None:
    (sku, tokyo), (_, paulo) = (names(engine, item) for item in two_places)
    then = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=2)
    local = {zone: f"{then.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}" for zone in ZONES}
    order, transfer = new_reference(), new_reference("t")
    moved = [
        ("reserve", "start", order, "--line", f"{sku}@{tokyo}=1"),
        ("reserve", "fulfill", order, "--occurred-at", local[ZONES[0]]),
        ("transfer", "create", transfer, "--from", tokyo, "--to", paulo, "--line", f"{sku}=1"),
        ("transfer", "dispatch", transfer, "--occurred-at", local[ZONES[0]]),
        ("transfer", "receive", transfer, "--receipt-id", "r", "--all", "--occurred-at", local[ZONES[1]]),
        (
            *("adjust", "create", new_reference("a"), "--warehouse", paulo, "--line", f"{sku}=-1", "--reason", "r"),
            *("--occurred-at", local[ZONES[1]]),
        ),
    ]
    for arguments in moved:
        done = await command(*arguments)
        assert done.exit_code == 0, done.stderr
    found = json.loads((await command("stock", "history", sku, "--limit", "4", "--json")).stdout)
    kinds = ["ADJUSTMENT", "TRANSFER_IN", "TRANSFER_OUT", "SALE"]
    assert [row["movement_type"] for row in found] == kinds
    assert [datetime.fromisoformat(row["occurred_at"]) for row in found] == [then] * 4


async def test_one_inbox_has_all_that_waits(command: Command, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    sku, place = names(engine, item)
    adjustment, returned, count = new_reference("a"), new_reference("r"), new_reference("c")
    where = ("--warehouse", place)
    asked = [
        ("adjust", "create", adjustment, *where, "--line", f"{sku}=-9", "--reason", "broken", "--performed-by", "ann"),
        ("return", "create", returned, *where, "--reference", "1042", "--line", f"{sku}=1", "--performed-by", "ann"),
        ("count", "start", count, *where, "--line", sku, "--performed-by", "ann"),
        ("count", "record", count, "--line", f"{sku}=1", "--performed-by", "bob"),
    ]
    with engine.begin() as connection:
        connection.execute(text("UPDATE products SET unit_cost = 1000 WHERE sku = :sku"), {"sku": sku})
    for arguments in asked:
        done = await command(*arguments)
        assert done.exit_code == 0, done.stderr
    found = json.loads((await command("inbox", "--json")).stdout)
    ours = [each for each in found if each["where"] == [place]]
    assert [
        (each["kind"], each["number"], each["waits_for"], each["about"], each["requested_by"]) for each in ours
    ] == [
        ("adjust", adjustment, "approval by another person", "broken", "ann"),
        ("return", returned, "the goods and their inspection", sku, "ann"),
        ("count", count, "a second count or an approval", sku, "bob"),
    ]
    printed = await command("inbox")
    assert (printed.exit_code, all(each["number"] in printed.stdout for each in found)) == (0, True)
    some = await command("inbox", "--limit", "1")
    assert some.stderr == f"the oldest 1 of {len(found)}; --limit shows more\n"


async def test_a_sheet_that_was_filled_in_comes_back(
    command: Command, shop: Shop, engine: Engine, tmp_path: Path
) -> None:
    first, second = shop.items(2, 5)
    (sku, place), (other, _) = names(engine, first), names(engine, second)
    number, sheet = new_reference("c"), tmp_path / "sheet.csv"
    wanted = tmp_path / "wanted.csv"
    wanted.write_text(f"sku\n{sku}\n{other}\n")
    await command("count", "start", number, "--warehouse", place, "--lines", str(wanted))
    written = await command("count", "sheet", number, "--output", str(sheet))
    assert (written.exit_code, written.stdout) == (0, f"2 items to count in {sheet}\n")
    unfilled = await command("count", "record", number, "--lines", str(sheet))
    assert (unfilled.exit_code, unfilled.stderr.splitlines()) == (
        1,
        ["2 rows without a quantity left out", f"InvalidRequest: {sheet}: no row has a quantity"],
    )
    head, *rows = sheet.read_text().splitlines()
    assert head == "sku,product,quantity,not_by"
    assert [(row.split(",")[0], row.split(",")[2:]) for row in rows] == [
        (each, ["", ""]) for each in sorted([sku, other])
    ]
    sheet.write_text(
        "\n".join([head, *(row.replace(",,", ",5,") if row.startswith(f"{sku},") else row for row in rows)])
    )
    taken = await command("count", "record", number, "--lines", str(sheet), "--performed-by", "bob")
    assert (taken.exit_code, taken.stderr) == (0, "1 row without a quantity left out\n")
    state = json.loads((await command("count", "show", number, "--json")).stdout)
    assert {line["product_id"]: line["status"] for line in state["lines"]} == {
        first.product_id: "POSTED",
        second.product_id: "COUNTING",
    }


async def test_units_are_whole_and_their_column_has_either_name(
    command: Command, shop: Shop, engine: Engine, tmp_path: Path
) -> None:
    item = shop.item(10)
    sku, place = names(engine, item)
    for column in ("qty", "quantity"):
        file = tmp_path / f"{column}.csv"
        file.write_text(f"sku,{column}\n{sku},-2\n")
        done = await command(
            *("adjust", "create", new_reference("a"), "--warehouse", place, "--lines", str(file), "--reason", "r")
        )
        assert done.exit_code == 0, done.stderr
    assert level(engine, item) == (6, 0)
    for units in ("1.000", "1,5", "2.0"):
        refused = await command("reserve", "start", new_reference(), "--line", f"{sku}@{place}={units}")
        wrong = f"'{units}' must be whole units, without dots or commas, such as TEA-100@Main=2"
        line = f"InvalidRequest: --line '{sku}@{place}={units}': {wrong}\n"
        assert (refused.exit_code, refused.stderr) == (1, line)
    refused = await command("reserve", "start", new_reference(), "--line", f"{sku}@{place}=1,5 kg")
    assert (refused.exit_code, "'1,5 kg' has a comma: write a decimal point" in refused.stderr) == (1, True)
    assert level(engine, item) == (6, 0)


def test_a_usual_port_is_taken_where_it_is_free() -> None:
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        port = other.getsockname()[1]
        assert free_or_none(port) is None
    assert free_or_none(port) == port
