"""`stockkeeper transfer`: names where the wire has ids, what a command changed, and one line on an error."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_is_stored
from tests.support.commands import Command, DocumentCommands, names
from tests.support.lots import bring_lots, lot_books, track
from tests.support.shop import Shop, new_reference
from tests.support.transfer import Transfers, Units, units
from tests.support.transfer_rows import stocked
from tests.support.wire import Json, eventually


def row_of(sku: str, printed: str) -> list[str]:
    """What stands beside a product in a printed table, whose columns are two spaces apart or more."""
    rows = [re.split(r"\s{2,}", line.strip()) for line in printed.splitlines()]
    [row] = [row[1:] for row in rows if row[0] == sku]
    return row


class Journey(DocumentCommands):
    """A transfer of one product by the command line."""

    def __init__(self, command: Command, shop: Shop, engine: Engine, units: int = 10) -> None:
        super().__init__(command, "transfer", new_reference("t"))
        self.item = shop.item(units)
        self.there = ItemKey(shop.warehouse(), self.item.product_id)
        self.sku, self.source = names(engine, self.item)
        _, self.destination = names(engine, self.there)

    async def create(self, *options: str, units: int = 6) -> Json:
        """Plan it; what its JSON says."""
        ends = ("--from", self.source, "--to", self.destination)
        return await self.json("create", *ends, "--line", f"{self.sku}={units}", *options)


@pytest.fixture
def journey(command: Command, shop: Shop, engine: Engine) -> Journey:
    """Ten units, of which six are to be moved."""
    return Journey(command, shop, engine)


async def test_goods_go_from_one_shelf_to_the_other(command: Command, journey: Journey, engine: Engine) -> None:
    t, sku, places = journey.number, journey.sku, f"{journey.source} → {journey.destination}"
    made = await command(
        *("transfer", "create", t, "--from", journey.source, "--to", journey.destination, "--line", f"{sku}=6"),
        *("--transit-hours", "48", "--performed-by", "tom"),
    )
    assert (made.exit_code, made.stderr) == (0, "")
    assert made.stdout.splitlines()[:2] == [f"transfer {t}: PENDING, {places}", "requested by tom"]
    assert (row_of(sku, made.stdout), level(engine, journey.item)) == (["6", "0", "0", "0", "0", "0"], (10, 6))

    sent = await journey.told("dispatch", "--performed-by", "sid")
    assert sent.splitlines()[0] == f"transfer {t}: PENDING → IN_TRANSIT, {places}"
    assert "left at " in sent
    assert ", due " in sent
    assert "overdue" not in sent
    assert (row_of(sku, sent), level(engine, journey.item)) == (["6", "0", "0", "0", "0", "0 → 6"], (4, 0))
    assert row_of(sku, await journey.told("dispatch")) == ["6", "0", "0", "0", "0", "6"]

    part = ("receive", "--receipt-id", "R-1", "--line", f"{sku}=3", "--damaged", f"{sku}=1", "--performed-by", "dora")
    came = await journey.told(*part)
    assert row_of(sku, came) == ["6", "0 → 3", "0 → 1", "0", "0", "6 → 2"]
    [receipt] = [line for line in came.splitlines() if line.startswith("receipt ")]
    assert receipt.startswith("receipt R-1 by dora at ")
    assert receipt.endswith(": 3 into stock, 1 damaged (new)")
    with nothing_is_stored(engine):
        again = await journey.told(*part)
        assert row_of(sku, again) == ["6", "3", "1", "0", "0", "2"]
        assert "(new)" not in again
        assert await journey.refused("receive", "--receipt-id", "R-2", "--line", f"{sku}=3") == (
            f"InvalidRequest: {sku}: 3 delivered, but only 2 in transit\n"
        )

    rest = await journey.json("receive", "--receipt-id", "R-2", "--all")
    assert (rest["status"], units(rest)) == ("RECEIVED", [Units(6, received=5, damaged=1)])
    assert level(engine, journey.there) == (5, 0)
    shown = await journey.told("show")
    assert shown.splitlines()[0] == f"transfer {t}: RECEIVED, {places}"
    assert ("left at " in shown, ", due " in shown) == (True, False)
    assert await journey.refused("cancel", "--reason", "too late") == (
        f"InvalidState: transfer {t} has been received and can't be cancelled\n"
    )

    async def listed() -> list[Json]:
        result = await command("transfer", "list", "--status", "RECEIVED", "--sku", sku, "--json")
        return list(json.loads(result.stdout))

    [row] = await eventually(listed, bool)
    assert {name: value for name, value in row.items() if name != "run_id"} == {
        "transfer_number": t,
        "status": "RECEIVED",
        "from_warehouse": journey.source,
        "to_warehouse": journey.destination,
        "units": 6,
        "in_transit": 0,
        "due_at": None,
        "skus": [sku],
        "warehouses": [journey.source, journey.destination],
        "workflow_id": f"transfer-{t}",
    }


async def test_everything_is_received_once_however_often_it_is_said(journey: Journey, engine: Engine) -> None:
    everything = ("receive", "--receipt-id", "R-2", "--all")
    await journey.create()
    with nothing_is_stored(engine):
        assert await journey.refused(*everything) == (
            f"InvalidRequest: transfer {journey.number}: nothing is in transit\n"
        )
    await journey.json("dispatch")
    await journey.json("receive", "--receipt-id", "R-1", "--line", f"{journey.sku}=2")
    with nothing_is_stored(engine):
        # That delivery was another one: to say nothing would leave four units on the lorry.
        assert await journey.refused("receive", "--receipt-id", "R-1", "--all") == (
            f"OperationConflict: delivery R-1 of transfer {journey.number} was booked with other quantities; "
            "another delivery needs another number\n"
        )
    received = await journey.json(*everything)
    assert (received["status"], units(received)) == ("RECEIVED", [Units(6, received=6)])
    with nothing_is_stored(engine):
        assert await journey.json(*everything) == received
        assert row_of(journey.sku, await journey.told(*everything)) == ["6", "6", "0", "0", "0", "0"]
        assert await journey.refused("receive", "--receipt-id", "R-3", "--all") == (
            f"InvalidRequest: transfer {journey.number}: nothing is in transit\n"
        )
    assert level(engine, journey.there) == (6, 0)


async def test_what_is_missing_is_written_off(journey: Journey, engine: Engine) -> None:
    await journey.create()
    with nothing_is_stored(engine):
        assert await journey.refused("write-off", "--reason", "lost") == (
            f"InvalidState: transfer {journey.number} hasn't been dispatched yet\n"
        )
    await journey.json("dispatch")
    await journey.json("receive", "--receipt-id", "R-1", "--line", f"{journey.sku}=4")
    lost = await journey.told("write-off", "--reason", "fell off the lorry", "--performed-by", "dora")
    assert lost.splitlines()[0].startswith(f"transfer {journey.number}: IN_TRANSIT → RECEIVED, ")
    assert "the rest was written off: fell off the lorry" in lost.splitlines()
    assert row_of(journey.sku, lost) == ["6", "4", "0", "0 → 2", "0", "2 → 0"]
    with nothing_is_stored(engine):
        again = await journey.json("write-off", "--reason", "once more")
    assert (units(again), again["closed_reason"]) == ([Units(6, received=4, written_off=2)], "fell off the lorry")
    assert (level(engine, journey.item), level(engine, journey.there)) == ((4, 0), (4, 0))


async def test_cancelled_in_transit_the_rest_comes_back(journey: Journey, engine: Engine) -> None:
    await journey.create()
    await journey.json("dispatch")
    await journey.json("receive", "--receipt-id", "R-1", "--line", f"{journey.sku}=1")
    back = await journey.told("cancel", "--reason", "wrong lorry")
    assert back.splitlines()[0].startswith(f"transfer {journey.number}: IN_TRANSIT → CANCELLED, ")
    assert "cancelled: wrong lorry" in back.splitlines()
    assert row_of(journey.sku, back) == ["6", "1", "0", "0", "0 → 5", "5 → 0"]
    assert (level(engine, journey.item), level(engine, journey.there)) == ((9, 0), (1, 0))
    with nothing_is_stored(engine):
        assert units(await journey.json("cancel", "--reason", "again")) == [Units(6, received=1, returned=5)]
        assert await journey.refused("dispatch") == (
            f"InvalidState: transfer {journey.number} has been cancelled and can't be dispatched\n"
        )


async def test_cancelled_before_it_leaves_it_releases_its_hold(journey: Journey, engine: Engine) -> None:
    assert (await journey.create("--performed-by", "tom"))["requested_by"] == "tom"
    cancelled = await journey.json("cancel", "--reason", "not needed")
    assert (cancelled["status"], units(cancelled), cancelled["closed_reason"]) == (
        "CANCELLED",
        [Units(6)],
        "not needed",
    )
    assert (level(engine, journey.item), stocked(engine, journey.there)) == ((10, 0), None)


async def test_what_should_be_there_by_now_is_shown_as_overdue(command: Command, journey: Journey) -> None:
    await journey.create("--transit-hours", "0.0001")
    await journey.json("dispatch")
    shown = await eventually(lambda: command("transfer", "show", journey.number), lambda it: "overdue" in it.stdout)
    [left] = [line for line in shown.stdout.splitlines() if line.startswith("left at ")]
    assert left.endswith(" UTC (overdue)")
    in_transit = await command("transfer", "in-transit", journey.sku)
    assert row_of(journey.sku, in_transit.stdout)[-1].endswith(" UTC (overdue)")

    async def told() -> str:
        return (await command("transfer", "show", journey.number)).stderr

    notice = f"notice to warehouse (logged): Overdue: transfer {journey.number}, "
    assert notice in await eventually(told, lambda printed: "(logged)" in printed)

    async def listed() -> str:
        return (await command("transfer", "list", "--sku", journey.sku)).stdout

    row = row_of(journey.number, await eventually(listed, lambda printed: "IN_TRANSIT" in printed))
    assert row[:5] == ["IN_TRANSIT", journey.source, journey.destination, "6", "6"]
    assert row[5].endswith(" UTC (overdue)")
    assert row[6:] == [journey.sku]


async def test_lines_come_from_a_file_and_places_by_their_ids(
    command: Command, shop: Shop, engine: Engine, tmp_path: Path
) -> None:
    first, second = shop.items(2, 10)
    (sku, _), (other, _) = names(engine, first), names(engine, second)
    file, number = tmp_path / "lines.csv", new_reference("t")
    file.write_text(f"quantity,sku\n3, {sku}\n4,{other}\n1,{names(engine, second)[0]}\n")
    places = ("--from", str(first.warehouse_id), "--to", str(shop.warehouse()))
    made = await command("transfer", "create", number, *places, "--lines", str(file), "--json")
    state = json.loads(made.stdout)
    assert [(line["product_id"], line["quantity"]) for line in state["line_items"]] == [
        (first.product_id, 3),
        (second.product_id, 4),
        (second.product_id, 1),
    ]
    assert (level(engine, first), level(engine, second)) == ((10, 3), (10, 5))


async def test_a_line_that_is_wrong_is_one_line_and_stores_nothing(
    command: Command, journey: Journey, engine: Engine, tmp_path: Path
) -> None:
    sku, columns, rows = journey.sku, tmp_path / "columns.csv", tmp_path / "rows.csv"
    columns.write_text("sku,units\nA,1\n")
    rows.write_text(f"sku,quantity\n{sku},1\n{sku},-2\n,3\n")
    missing = tmp_path / "missing.csv"
    shape = "must be SKU=UNITS, such as TEA-100=45"
    places = ("--from", journey.source, "--to", journey.destination)
    cases = {
        (*places, "--line", f"{sku}=11"): (f"InsufficientStock: {sku} in {journey.source}: requested 11, available 10"),
        (*places, "--line", f"{sku}=8", "--line", f"{sku}=7"): (
            f"InsufficientStock: {sku} in {journey.source}: requested 15, available 10"
        ),
        (*places, "--line", "nothing=2"): "UnknownProduct: no product is called 'nothing'",
        (*places, "--line", f"{sku}=0"): "InvalidRequest: lines.0.quantity: Input should be greater than 0",
        (
            *places,
            "--line",
            f"{sku}=-1",
        ): f"InvalidRequest: --line '{sku}=-1': '-1' must not be negative, such as TEA-100=45",
        (*places, "--line", sku): f"InvalidRequest: --line '{sku}': {shape}",
        (*places, "--line", f"{sku}=1", "--transit-hours", "-1"): (
            "InvalidRequest: expected_transit_hours: Input should be greater than 0"
        ),
        places: "InvalidRequest: give the lines with --line, or a file of them with --lines",
        (*places, "--line", f"{sku}=1", "--lines", str(rows)): (
            "InvalidRequest: give the lines with --line, or a file of them with --lines"
        ),
        (*places, "--lines", str(columns)): f"InvalidRequest: {columns}: the columns have to be sku and quantity",
        (*places, "--lines", str(rows)): (
            "InvalidRequest: line 3: needs a sku and whole units, without dots or commas; "
            "line 4: needs a sku and whole units, without dots or commas"
        ),
        (*places, "--lines", str(missing)): f"InvalidRequest: {missing}: No such file or directory",
        ("--from", journey.source, "--to", "nowhere", "--line", f"{sku}=1"): (
            "UnknownWarehouse: no warehouse is called 'nowhere'"
        ),
        ("--from", journey.source, "--to", journey.source, "--line", f"{sku}=1"): (
            "InvalidRequest: to_warehouse_id: must be another warehouse than from_warehouse_id"
        ),
    }
    with nothing_is_stored(engine):
        for options, message in cases.items():
            result = await command("transfer", "create", new_reference("t"), *options)
            assert (result.exit_code, result.stdout, result.stderr) == (1, "", message + "\n")


async def test_a_command_that_is_wrong_is_one_line_and_stores_nothing(
    command: Command, journey: Journey, shop: Shop, engine: Engine
) -> None:
    await journey.create()
    await journey.json("dispatch")
    sku, (other, _) = journey.sku, names(engine, shop.item(0))
    receipt = ("receive", "--receipt-id", "R-1")
    said = "InvalidRequest: give what arrived with --line and --damaged, or everything in transit as fit with --all"
    cases = {
        receipt: said,
        (*receipt, "--all", "--line", f"{sku}=1"): said,
        (*receipt, "--all", "--damaged", f"{sku}=1"): said,
        (
            *receipt,
            "--line",
            f"{sku}=5",
            "--damaged",
            f"{sku}=2",
        ): f"InvalidRequest: {sku}: 7 delivered, but only 6 in transit",
        (*receipt, "--line", f"{other}=1"): f"InvalidRequest: {other} isn't on transfer {journey.number}",
        (*receipt, "--line", "nothing=1"): "UnknownProduct: no product is called 'nothing'",
        (*receipt, "--damaged", f"{sku}=some"): (
            f"InvalidRequest: --damaged '{sku}=some': 'some' "
            "must be whole units, without dots or commas, such as TEA-100=45"
        ),
        (
            *receipt,
            "--line",
            f"{sku}=0",
        ): "InvalidRequest: lines.0: quantity: a delivered line needs fit or damaged units",
        ("cancel", "--reason", ""): "InvalidRequest: reason: String should have at least 1 character",
    }
    with nothing_is_stored(engine):
        for options, message in cases.items():
            assert await journey.refused(*options) == message + "\n"
        unknown = new_reference("t")
        for verb, *more in (
            ["show"],
            ["dispatch"],
            ["receive", "--receipt-id", "R-1", "--all"],
            ["write-off", "--reason", "lost"],
            ["cancel", "--reason", "not needed"],
        ):
            result = await command("transfer", verb, unknown, *more)
            told = f"NotFound: transfer {unknown} doesn't exist\n"
            assert (result.exit_code, result.stdout, result.stderr) == (1, "", told)


async def test_a_rejected_one_shows_what_was_short(
    command: Command, journey: Journey, transfers: Transfers, engine: Engine
) -> None:
    places = ("--from", journey.source, "--to", journey.destination)
    assert await journey.refused("create", *places, "--line", f"{journey.sku}=11", "--performed-by", "tom") == (
        f"InsufficientStock: {journey.sku} in {journey.source}: requested 11, available 10\n"
    )
    shown = await command("transfer", "show", journey.number)
    assert shown.exit_code == 0
    assert shown.stdout.splitlines()[:3] == [
        f"transfer {journey.number}: REJECTED, {journey.source} → {journey.destination}",
        "requested by tom",
        f"short: {journey.sku} in {journey.source}: requested 11, available 10",
    ]
    assert row_of(journey.sku, shown.stdout) == ["11", "0", "0", "0", "0", "0"]
    said = f"rejected: {journey.sku} in {journey.source}: requested 11, available 10\n"
    assert shown.stderr.partition(" UTC: ")[2] == said
    assert (await journey.json("show"))["shortages"] == [
        {
            "product_id": journey.item.product_id,
            "warehouse_id": journey.item.warehouse_id,
            "requested": 11,
            "available": 10,
        }
    ]
    with nothing_is_stored(engine):
        assert await journey.refused("dispatch") == (
            f"InvalidState: transfer {journey.number} was rejected for lack of stock; "
            "start it again once the stock is there\n"
        )

    async def listed() -> list[Json]:
        rows = json.loads((await command("transfer", "list", "--status", "REJECTED", "--json")).stdout)
        return [row for row in rows if row["transfer_number"] == journey.number]

    # Nothing was looked up for it, so a list has no names.
    [row] = await eventually(listed, bool)
    assert (row["status"], row["from_warehouse"], row["units"], row["skus"]) == ("REJECTED", None, None, [])
    # Its number may be tried again.
    await transfers.result(journey.number)
    assert (await journey.create())["status"] == "PENDING"


async def test_what_is_in_transit_is_asked_by_product_and_place(
    command: Command, shop: Shop, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.stock.IN_TRANSIT_AT_ONCE", 2)  # So that it comes page by page.
    first, second = shop.items(2, 10)
    (sku, source), (other, _) = names(engine, first), names(engine, second)
    near, far = shop.warehouse(), shop.warehouse()
    _, near_by = names(engine, ItemKey(near, first.product_id))
    _, far_away = names(engine, ItemKey(far, first.product_id))
    for to, lines in ((near, (f"{sku}=3", f"{other}=1")), (near, (f"{sku}=2",)), (far, (f"{sku}=4", f"{other}=5"))):
        number = new_reference("t")
        options = [option for line in lines for option in ("--line", line)]
        await command("transfer", "create", number, "--from", source, "--to", str(to), *options)
        assert (await command("transfer", "dispatch", number)).exit_code == 0
    pending = new_reference("t")
    await command("transfer", "create", pending, "--from", source, "--to", str(far), "--line", f"{other}=1")

    async def asked(*options: str) -> list[tuple[str, str, str, int, int]]:
        result = await command("transfer", "in-transit", *options, "--json")
        assert (result.exit_code, result.stderr) == (0, "")
        return [
            (row["sku"], row["from_warehouse"], row["to_warehouse"], row["quantity"], row["transfers"])
            for row in json.loads(result.stdout)
        ]

    everything = [
        (sku, source, near_by, 5, 2),
        (sku, source, far_away, 4, 1),
        (other, source, near_by, 1, 1),
        (other, source, far_away, 5, 1),
    ]
    assert await asked("--from", source) == sorted(everything)
    assert await asked(sku) == sorted(everything[:2])
    assert await asked("--to", near_by) == sorted([everything[0], everything[2]])
    assert await asked(other, "--from", source, "--to", far_away) == [everything[3]]
    assert await asked("--to", source) == await asked(other, "--from", near_by) == []
    limited = await command("transfer", "in-transit", "--from", source, "--limit", "3")
    assert limited.stderr == "the first 3; --limit shows more\n"
    printed = [line.split()[0] for line in limited.stdout.splitlines() if source in line]
    assert printed == [row[0] for row in sorted(everything)][:3]
    nothing = await command("transfer", "in-transit", "--from", far_away)
    assert (nothing.exit_code, nothing.stdout, nothing.stderr) == (0, "nothing is in transit\n", "")
    for question, told in {
        ("nothing",): "UnknownProduct: no product is called 'nothing'\n",
        ("--from", "nowhere"): "UnknownWarehouse: no warehouse is called 'nowhere'\n",
    }.items():
        wrong = await command("transfer", "in-transit", *question)
        assert (wrong.exit_code, wrong.stdout, wrong.stderr) == (1, "", told)


async def test_goods_leave_and_are_given_up_in_parts(command: Command, shop: Shop, engine: Engine) -> None:
    journey = Journey(command, shop, engine)
    t, sku = journey.number, journey.sku
    await journey.create()
    part = ("dispatch", "--line", f"{sku}=4", "--dispatch-id", "truck-1", "--performed-by", "sid")
    sent = await journey.told(*part)
    assert sent.splitlines()[0] == f"transfer {t}: PENDING → IN_TRANSIT, {journey.source} → {journey.destination}"
    assert row_of(sku, sent) == ["6", "6 → 2", "0 → 4", "0", "0", "0", "0", "0 → 4"]
    [departure] = [line for line in sent.splitlines() if line.startswith("departure ")]
    assert departure.startswith("departure truck-1 by sid at ")
    assert departure.endswith(": 4 units (new)")
    with nothing_is_stored(engine):
        assert row_of(sku, await journey.told(*part)) == ["6", "2", "4", "0", "0", "0", "0", "4"]
        assert await journey.refused("dispatch", "--line", f"{sku}=3") == (
            f"InvalidRequest: {sku}: 3 to be dispatched, but only 2 still held\n"
        )
    lost = ("write-off", "--line", f"{sku}=1", "--write-off-id", "loss-1", "--reason", "fell off")
    gone = await journey.told(*lost)
    assert row_of(sku, gone) == ["6", "2", "4", "0", "0", "0 → 1", "0", "4 → 3"]
    assert ": 1 unit, fell off (new)" in gone
    rest = await journey.json("dispatch")
    assert [(line["held"], line["dispatched"], line["in_transit"]) for line in rest["line_items"]] == [(0, 6, 5)]
    with nothing_is_stored(engine):
        assert (await journey.json("dispatch"))["departures"] == rest["departures"]
    ended = await journey.json("write-off", "--reason", "never came")
    assert (ended["status"], units(ended)) == ("RECEIVED", [Units(6, written_off=6)])
    assert [(each["write_off_id"], each["reason"], each["quantity"]) for each in ended["write_offs"]] == [
        ("loss-1", "fell off", 1),
        (None, "never came", 5),
    ]
    with nothing_is_stored(engine):
        assert (await journey.json("write-off", "--reason", "never came"))["write_offs"] == ended["write_offs"]
    assert level(engine, journey.item) == (4, 0)


async def test_goods_of_a_tracked_product_go_by_lot(command: Command, shop: Shop, engine: Engine) -> None:
    journey = Journey(command, shop, engine, units=0)
    track(engine, journey.item.product_id)
    soon = datetime.now(UTC).date() + timedelta(days=9)
    bring_lots(engine, journey.item, ("L 1", soon, 4), ("L#2", None, 4))
    made = await journey.create(units=5)
    assert [(lot["lot_number"], lot["expires_on"], lot["held"]) for lot in made["line_items"][0]["lots"]] == [
        ("L 1", soon.isoformat(), 4),
        ("L#2", None, 1),
    ]
    sku = journey.sku
    sent = await journey.told(
        "dispatch", *("--line", f"{sku}=2#L 1", "--line", f"{sku}=3#L#2"), *("--performed-by", "sid")
    )
    assert [line.split()[-3:] for line in sent.splitlines() if "L 1" in line or "L#2" in line] == [
        ["0", "→", "2"],
        ["0", "→", "3"],
    ]
    came = ("--line", f"{sku}=2#L#2", "--damaged", f"{sku}=1#L 1", "--receipt-id", "r1", "--performed-by", "dora")
    await journey.told("receive", *came)
    await journey.told("write-off", *("--line", f"{sku}=1#L#2", "--reason", "fell off", "--performed-by", "dora"))
    state = await journey.json("receive", "--all", "--receipt-id", "r2", "--performed-by", "dora")
    assert state["status"] == "RECEIVED"
    names = ("lot_number", "quantity", "received", "damaged", "written_off", "in_transit")
    assert [[lot[name] for name in names] for lot in state["line_items"][0]["lots"]] == [
        ["L 1", 2, 1, 1, 0, 0],
        ["L#2", 3, 2, 0, 1, 0],
    ]
    assert lot_books(engine, journey.there) == {"L 1": (1, 0, 0), "L#2": (2, 0, 0)}
    assert lot_books(engine, journey.item) == {"L 1": (2, 0, 0), "L#2": (1, 0, 0)}
