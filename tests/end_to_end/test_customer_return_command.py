"""`stockkeeper return`: names where the wire has ids, what a command changed, and one line on an error."""

import json
import re
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.support.books import level, nothing_is_stored
from tests.support.commands import Command, DocumentCommands, names, words
from tests.support.customer_return import Units, inspections, units
from tests.support.lots import lot_books, lot_item
from tests.support.shop import Shop, new_reference
from tests.support.transfer_rows import stocked
from tests.support.wire import Json, eventually

LAST_DAY = date(2150, 3, 31)


def row_of(sku: str, printed: str) -> list[str]:
    """What stands beside a product in a printed table, whose columns are two spaces apart or more."""
    rows = [re.split(r"\s{2,}", line.strip()) for line in printed.splitlines()]
    [row] = [row[1:] for row in rows if row[0] == sku]
    return row


class Desk(DocumentCommands):
    """A return of one product by the command line."""

    def __init__(self, command: Command, shop: Shop, engine: Engine) -> None:
        super().__init__(command, "return", new_reference("r"))
        self.item = shop.item(2)
        self.sku, self.place = names(engine, self.item)
        self.start = ("--warehouse", self.place, "--reference", "1042")

    async def create(self, units: int = 5) -> None:
        """Say what comes back."""
        await self.json("create", *self.start, "--line", f"{self.sku}={units}")


@pytest.fixture
def desk(command: Command, shop: Shop, engine: Engine) -> Desk:
    """Where goods come back."""
    return Desk(command, shop, engine)


async def test_goods_come_back(command: Command, desk: Desk, engine: Engine) -> None:
    r, sku, of = desk.number, desk.sku, f"order 1042 → {desk.place}"
    made = await desk.told("create", *desk.start, "--line", f"{sku}=5", "--performed-by", "cleo")
    assert made.splitlines()[:2] == [f"return {r}: EXPECTED, {of}", "registered by cleo"]
    assert (row_of(sku, made), level(engine, desk.item)) == (["5", "0", "0", "5"], (2, 0))
    part = ("inspect", "--inspection-id", "box-1", "--restock", f"{sku}=2", "--scrap", f"{sku}=1")
    came = await desk.told(*part, "--performed-by", "ines")
    assert (row_of(sku, came), level(engine, desk.item)) == (["5", "0 → 2", "0 → 1", "5 → 2"], (4, 0))
    [told] = [line for line in came.splitlines() if line.startswith("inspection ")]
    assert told.startswith("inspection box-1 by ines at ")
    assert told.endswith(": 2 into stock, 1 scrapped (new)")
    with nothing_is_stored(engine):
        again = await desk.told(*part)
        assert (row_of(sku, again), "(new)" in again) == (["5", "2", "1", "2"], False)
        assert await desk.refused("inspect", "--restock", f"{sku}=3") == (
            f"InvalidRequest: {sku}: 3 inspected, but only 2 expected\n"
        )
        # That inspection was another one: to say nothing would leave two units unbooked.
        assert await desk.refused("inspect", "--inspection-id", "box-1", "--all") == (
            f"OperationConflict: inspection box-1 of return {r} was booked with other quantities; "
            "another inspection needs another number\n"
        )
    everything = ("inspect", "--inspection-id", "box-2", "--all")
    rest = await desk.json(*everything, "--performed-by", "ines")
    assert (rest["status"], units(rest)) == ("INSPECTED", [Units(5, 4, 1)])
    assert inspections(rest) == [("box-1", "ines", 2, 1), ("box-2", "ines", 2, 0)]
    with nothing_is_stored(engine):
        assert await desk.json(*everything) == rest
        assert (await desk.told("show")).splitlines()[0] == f"return {r}: INSPECTED, {of}"
        for options in (("--all",), ("--all", "--inspection-id", "box-3")):
            assert await desk.refused("inspect", *options) == (
                f"InvalidRequest: return {r}: nothing is expected any more\n"
            )
        assert await desk.refused("close-short", "--reason", "kept") == (
            f"InvalidState: return {r} has been inspected already\n"
        )
    assert level(engine, desk.item) == (6, 0)

    async def listed() -> list[Json]:
        result = await command("return", "list", "--status", "INSPECTED", "--sku", sku, "--json")
        return list(json.loads(result.stdout))

    [row] = await eventually(listed, bool)
    assert {name: value for name, value in row.items() if name != "run_id"} == {
        "return_number": r,
        "status": "INSPECTED",
        "reference_id": "1042",
        "warehouse": desk.place,
        "units": 5,
        "expected": 0,
        "skus": [sku],
        "warehouses": [desk.place],
        "workflow_id": f"return-{r}",
    }
    printed = (await command("return", "list", "--sku", sku)).stdout
    assert row_of(r, printed) == ["INSPECTED", "1042", desk.place, "5", "0", sku]


async def test_what_never_came_is_closed_short(desk: Desk, engine: Engine) -> None:
    await desk.create()
    await desk.json("inspect", "--scrap", f"{desk.sku}=1")
    closed = await desk.told("close-short", "--reason", "lost in the post")
    assert closed.splitlines()[0].startswith(f"return {desk.number}: EXPECTED → INSPECTED, ")
    assert "the rest never came: lost in the post" in closed.splitlines()
    assert row_of(desk.sku, closed) == ["5", "0", "1", "4 → 0"]
    with nothing_is_stored(engine):
        assert (await desk.json("close-short", "--reason", "again"))["closed_reason"] == "lost in the post"
    desk.number = new_reference("r")
    await desk.create()
    gone = await desk.told("close-short", "--reason", "kept them")
    assert gone.splitlines()[0].startswith(f"return {desk.number}: EXPECTED → CANCELLED, ")
    assert "nothing came: kept them" in gone.splitlines()
    assert level(engine, desk.item) == (2, 0)


async def test_lines_come_from_a_file_and_places_by_their_ids(
    command: Command, shop: Shop, engine: Engine, tmp_path: Path
) -> None:
    first, second = shop.items(2, units=2)
    elsewhere = first._replace(warehouse_id=shop.warehouse())
    file, number = tmp_path / "lines.csv", new_reference("r")
    file.write_text(f"quantity,sku\n3,{names(engine, first)[0]}\n1,{names(engine, second)[0]}\n")
    place = ("--warehouse", str(elsewhere.warehouse_id), "--reference", "1042")
    made = await command("return", "create", number, *place, "--lines", str(file))
    assert (made.exit_code, made.stderr) == (0, "")
    everything = await command("return", "inspect", number, "--all", "--json")
    state = json.loads(everything.stdout)
    assert (state["status"], units(state)) == ("INSPECTED", [Units(3, 3), Units(1, 1)])
    assert (stocked(engine, elsewhere), level(engine, first)) == ((3, 0), (2, 0))


async def test_what_is_wrong_is_one_line_and_stores_nothing(
    command: Command, desk: Desk, shop: Shop, engine: Engine
) -> None:
    await desk.create()
    sku, (other, _) = desk.sku, names(engine, shop.item(0))
    said = "InvalidRequest: give what was found with --restock and --scrap, or everything expected as fit with --all\n"
    by_line_or_file = "InvalidRequest: give the lines with --line, or a file of them with --lines\n"
    commands: dict[tuple[str, ...], str] = {
        ("inspect",): said,
        ("inspect", "--all", "--scrap", f"{sku}=1"): said,
        (
            "inspect",
            "--restock",
            f"{sku}=5",
            "--scrap",
            f"{sku}=1",
        ): f"InvalidRequest: {sku}: 6 inspected, but only 5 expected\n",
        ("inspect", "--restock", f"{other}=1"): f"InvalidRequest: {other} isn't on return {desk.number}\n",
        ("inspect", "--scrap", "nothing=1"): "UnknownProduct: no product is called 'nothing'\n",
        ("inspect", "--scrap", f"{sku}=some"): (
            f"InvalidRequest: --scrap '{sku}=some': 'some' "
            "must be whole units, without dots or commas, such as TEA-100=45\n"
        ),
        ("inspect", "--restock", f"{sku}=0"): (
            "InvalidRequest: lines.0: restock_quantity: an inspected line needs units to restock or to scrap\n"
        ),
        ("close-short", "--reason", ""): "InvalidRequest: reason: String should have at least 1 character\n",
        (
            "create",
            *desk.start,
            "--line",
            f"{sku}=4",
        ): f"OperationConflict: return {desk.number} already exists with other contents: it has 5 of {sku}, not 4\n",
    }
    starts: dict[tuple[str, ...], str] = {
        desk.start: by_line_or_file,
        (*desk.start, "--line", f"{sku}=1", "--lines", "returns.csv"): by_line_or_file,
        (*desk.start, "--line", "nothing=2"): "UnknownProduct: no product is called 'nothing'\n",
        (*desk.start, "--line", f"{sku}=0"): "InvalidRequest: lines.0.quantity: Input should be greater than 0\n",
        ("--warehouse", "nowhere", "--reference", "1042", "--line", f"{sku}=1"): (
            "UnknownWarehouse: no warehouse is called 'nowhere'\n"
        ),
        ("--warehouse", desk.place, "--reference", "", "--line", f"{sku}=1"): (
            "InvalidRequest: reference_id: String should have at least 1 character\n"
        ),
    }
    with nothing_is_stored(engine):
        for options, message in commands.items():
            assert await desk.refused(*options) == message
        desk.number = new_reference("r")
        for options, message in starts.items():
            assert await desk.refused("create", *options) == message
        for verb, *more in (["show"], ["inspect", "--all"], ["close-short", "--reason", "kept"]):
            assert await desk.refused(verb, *more) == f"NotFound: return {desk.number} doesn't exist\n"


async def test_lots_come_back(command: Command, shop: Shop, engine: Engine) -> None:
    item, number = lot_item(shop, ("L-77", LAST_DAY, 1)), new_reference("r")
    sku, place = names(engine, item)
    made = await command(
        *("return", "create", number, "--warehouse", place, "--reference", "1042"),
        *("--line", f"{sku}=3#L-77#{LAST_DAY}", "--line", f"{sku}=2"),
    )
    assert made.exit_code == 0, made.stderr
    assert f"{sku}, lot L-77" in made.stdout
    inspect = ("return", "inspect", number)
    came = words((await command(*inspect, "--restock", f"{sku}=1#L-78#{LAST_DAY}", "--scrap", f"{sku}=1#L-77")).stdout)
    assert f"came back restocked scrapped {sku}, lot L-77 0 1 {sku}, lot L-78 1 0" in re.sub(r"[─\s]+", " ", came)
    too_many = await command(*inspect, "--restock", f"{sku}=2#L-78")
    assert (too_many.exit_code, too_many.stderr) == (
        1,
        f"InvalidRequest: {sku}: 2 of lot L-78 inspected, but only 1 expected\n",
    )
    unnamed = await command(*inspect, "--all")
    assert (unnamed.exit_code, unnamed.stderr) == (
        1,
        f"InvalidRequest: {sku} is tracked: name the lot number of all 3 units that are received\n",
    )
    rest = json.loads(
        (await command(*inspect, "--restock", f"{sku}=2#L-77", "--restock", f"{sku}=1#L-78", "--json")).stdout
    )
    assert (rest["status"], lot_books(engine, item)) == ("INSPECTED", {"L-77": (3, 0, 0), "L-78": (2, 0, 0)})
