"""`stockkeeper stock at`, `history` and `chart`: what there was, why, and how it went."""

import io
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import matplotlib.image
import pytest
from rich.console import Console
from sqlalchemy import Engine, text
from temporalio.client import Client

from starter.cli import stock_history
from stockkeeper.domain.stock import ItemKey, MovementType
from tests.support.books import nothing_is_stored
from tests.support.commands import Command, names
from tests.support.past import Past
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json

OPENED = datetime(2025, 6, 1, 8, tzinfo=UTC)
A_DAY = timedelta(days=1)
UI = "http://ui.example:8233"


@pytest.fixture
def past(shop: Shop) -> Past:
    """What has happened to items."""
    return Past(shop)


def files_in(directory: Path) -> list[str]:
    """What is there."""
    return sorted(each.name for each in directory.iterdir())


def words(printed: str) -> list[list[str]]:
    """The lines of a table, as words."""
    return [line.split() for line in printed.splitlines() if line.strip() and "─" not in line]


async def printed(command: Command, *arguments: str) -> str:
    """What a command prints for people; it says nothing else."""
    done = await command("stock", *arguments)
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout


async def json_of(command: Command, *arguments: str) -> Json:
    """What it prints for programs."""
    return json.loads(await printed(command, *arguments, "--json"))


async def test_at_an_instant_an_item_had_what_its_last_movement_had_left(
    command: Command, past: Past, engine: Engine
) -> None:
    item = past.item(OPENED, units=10)
    past.sold(item, (OPENED + A_DAY, 3))
    sku, place = names(engine, item)

    async def at(time: str) -> list[tuple[str, str, int, str]]:
        found = await json_of(command, "at", time, sku)
        return [(row["sku"], row["warehouse"], row["quantity_on_hand"], row["moved_at"]) for row in found]

    opened, sold = (sku, place, 10, "2025-06-01T08:00:00Z"), (sku, place, 7, "2025-06-02T08:00:00Z")
    assert await at("2025-06-01T09:59:59.999999+02:00") == []
    assert await at("2025-06-01T10:00+02:00") == [opened]
    assert await at("2025-06-02T07:59:59.999999") == [opened]
    assert await at("2025-06-02 08:00") == [sold]
    assert await at("2025-06-02") == [opened]
    assert await at("1d ago") == [sold]
    [title, head, row] = words(await printed(command, "at", "2025-06-03", sku))
    assert title == ["at", "2025-06-03", "00:00:00", "UTC"]
    assert head == ["sku", "product", "warehouse", "on", "hand", "since"]
    assert (row[0], row[-3:]) == (sku, ["2025-06-02", "08:00:00", "UTC"])


async def test_now_is_what_there_is_in_a_whole_warehouse(command: Command, shop: Shop, engine: Engine) -> None:
    first, second = shop.items(2, 5)
    never = shop.item(0, warehouse=first.warehouse_id)
    (sku, place), (other, _), (unmoved, _) = (names(engine, item) for item in (first, second, never))
    shop.move(second, -5)
    now = await json_of(command, "at", "now", "--warehouse", place)
    assert [(row["sku"], row["quantity_on_hand"]) for row in now] == sorted([(sku, 5), (other, 0)])
    assert unmoved not in await printed(command, "at", "now", "--warehouse", place)
    done = await command("stock", "at", "now", "--warehouse", place, "--limit", "1")
    assert (done.exit_code, done.stderr, other in done.stdout) == (0, "the first 1; --limit shows more\n", False)


@pytest.fixture
async def order(command: Command, shop: Shop, engine: Engine) -> tuple[ItemKey, str, str]:
    """An item of which two units have left for an order, with its workflow and run."""
    item, reference = shop.item(9), f"{new_reference()}/ü 1"
    sku, place = names(engine, item)
    for arguments in (("start", reference, "--line", f"{sku}@{place}=2"), ("fulfill", reference)):
        assert (await command("reserve", *arguments, "--performed-by", "ann")).exit_code == 0
    return item, f"reservation-{reference}", reference


async def test_each_movement_is_shown_with_who_why_and_its_run(
    command: Command,
    order: tuple[ItemKey, str, str],
    engine: Engine,
    our_client: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    item, workflow_id, reference = order
    sku, place = names(engine, item)
    monkeypatch.setenv("STOCKKEEPER_UI_URL", UI)
    run_id = (await our_client.get_workflow_handle(workflow_id).describe()).run_id
    link = f"{UI}/namespaces/default/workflows/{quote(workflow_id, safe='')}/{run_id}"
    sale, opening = await json_of(command, "history", sku, "--warehouse", place)
    assert datetime.fromisoformat(opening["created_at"]) < datetime.fromisoformat(sale.pop("created_at"))
    assert opening["movement_id"] < sale.pop("movement_id")
    assert sale == {
        "movement_type": "SALE",
        "quantity": -2,
        "balance_after": 7,
        "reference_id": reference,
        "performed_by": "ann",
        "reason": f"fulfilled ORDER {reference}",
        "workflow_id": workflow_id,
        "run_id": run_id,
        "warehouse_id": item.warehouse_id,
        "warehouse": place,
        "run_url": link,
    }
    assert (opening["quantity"], opening["balance_after"], opening["reason"]) == (9, 9, "opening stock")

    [head, told, _] = words(await printed(command, "history", sku, "--warehouse", place))
    assert " ".join(head) == "at movement units on hand of by why workflow"
    why = ["fulfilled", "ORDER", *reference.split()]
    assert told[3:] == ["SALE", "-2", "7", *reference.split(), "ann", *why, *workflow_id.split()]

    # A terminal that has links leads from the workflow to its run.
    terminal = Console(file=io.StringIO(), force_terminal=True, width=200, legacy_windows=False)
    monkeypatch.setattr(stock_history, "out", terminal)
    await printed(command, "history", sku, "--warehouse", place, "--since", "1h ago")
    assert isinstance(terminal.file, io.StringIO)
    assert f";{link}\x1b\\{workflow_id}" in terminal.file.getvalue()


async def test_without_a_ui_there_are_no_links(
    command: Command, order: tuple[ItemKey, str, str], engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STOCKKEEPER_UI_URL", raising=False)
    sku, place = names(engine, order[0])
    assert [row["run_url"] for row in await json_of(command, "history", sku, "--warehouse", place)] == [None, None]


async def test_a_part_of_the_history_is_shown_latest_first(
    command: Command, past: Past, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.ledger.MOVEMENTS_AT_ONCE", 2)
    item = past.item(OPENED, units=100)
    past.sold(item, *((OPENED + number * A_DAY, number) for number in range(1, 6)))
    sku, place = names(engine, item)
    here = ("history", sku, "--warehouse", place)

    async def units(*arguments: str) -> list[int]:
        return [row["quantity"] for row in await json_of(command, *here, *arguments)]

    assert await units() == [-5, -4, -3, -2, -1, 100]
    assert await units("--since", "2025-06-03T08:00", "--until", "2025-06-05T08:00") == [-3, -2]
    few = await command("stock", *here, "--limit", "3")
    assert (few.exit_code, few.stderr) == (0, "the latest 3; --limit shows more\n")
    assert [line[4] for line in words(few.stdout)[1:]] == ["-5", "-4", "-3"]


@pytest.fixture
def course(past: Past, engine: Engine) -> tuple[str, str]:
    """An item that ran out for two days, with a point of 30 since its second day; its SKU and warehouse."""
    item = past.item(OPENED, units=60)
    moved = [(2, MovementType.SALE, -60), (4, MovementType.ADJUSTMENT, 40), (6, MovementType.SALE, -5)]
    past.happened(item, *((OPENED + days * A_DAY, kind, units) for days, kind, units in moved))
    query = text("INSERT INTO reorder_points VALUES (:warehouse_id, :product_id, :since, 30)")
    with engine.begin() as connection:
        connection.execute(query, item._asdict() | {"since": OPENED + A_DAY})
    return names(engine, item)


def ten_days(course: tuple[str, str]) -> list[str]:
    """The arguments of a chart of it, from a day before it opened on."""
    sku, place = course
    return ["chart", sku, "--warehouse", place, "--days", "10", "--until", "2025-06-10T08:00"]


async def test_a_chart_says_when_it_ran_out_and_how_long_it_was_below(
    command: Command, course: tuple[str, str]
) -> None:
    sku, place = course
    title, *drawn = (await printed(command, *ten_days(course))).splitlines()
    assert title.startswith(f"{sku} (Product ")
    assert title.endswith(f") in {place}, 2025-05-31 08:00 UTC to 2025-06-10 08:00 UTC")
    assert drawn[-3:] == [
        "on hand 35 at the end, 60 at the most, 0 at the least",
        "out of stock 2 days: 2025-06-03 to 2025-06-05",
        "below its reorder point 2 days",
    ]
    assert {"60 ┤", "40 ┤", "20 ┤", "0 ┤"} <= {line.strip()[:4].strip() for line in drawn}
    [out, _] = [line for line in drawn if line.startswith("out of stock ")]
    assert (out.count("━"), out.split()[-1]) == (39, "━" * 39)
    assert [len(line) for line in drawn if "┤" in line] == [200] * 4

    shown = await json_of(command, *ten_days(course))
    assert (shown["sku"], shown["warehouse"], len(shown["points"])) == (sku, place, 2_000)
    assert shown["points"][-1]["at"] == "2025-06-10T08:00:00Z"


async def test_a_picture_is_drawn_by_the_file_s_ending(
    command: Command, course: tuple[str, str], tmp_path: Path
) -> None:
    svg, png = tmp_path / "course.svg", tmp_path / "course.PNG"
    for file in (svg, png):
        assert await printed(command, *ten_days(course), "--output", str(file)) == f"drawn: {file}\n"
    assert f">{course[0]} (Product " in svg.read_text()
    assert matplotlib.image.imread(png, format="png").shape == (550, 1210, 4)
    assert files_in(tmp_path) == ["course.PNG", "course.svg"]


async def test_a_chart_of_nothing_and_a_picture_that_can_not_be_drawn_are_said_in_one_line(
    command: Command, course: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sku, place = course
    here, file = ("--warehouse", place), tmp_path / "course.png"
    cases = {
        ("chart", sku, *here, "--output", "course.jpg"): (
            "InvalidRequest: --output 'course.jpg': must end in .png or .svg"
        ),
        ("chart", sku, *here, "--until", "2999-01-01"): (
            "InvalidRequest: --until '2999-01-01': must not be in the future"
        ),
        ("chart", "nothing", *here): "UnknownProduct: no product is called 'nothing'",
        ("chart", sku, "--warehouse", "nowhere"): "UnknownWarehouse: no warehouse is called 'nowhere'",
        ("history", sku, *here, "--since", "then"): (
            "InvalidRequest: --since 'then': must be an instant, such as 2026-11-23T14:30+01:00, 2026-11-23, "
            "now or 2h ago"
        ),
        ("at", "2999-01-01"): "InvalidRequest: as_of: must not be in the future",
    }
    for arguments, message in cases.items():
        done = await command("stock", *arguments)
        assert (done.exit_code, done.stdout, done.stderr) == (1, "", f"{message}\n")
    before = await command("stock", "chart", sku, *here, "--until", "2025-06-01", "--output", str(file))
    assert (before.exit_code, before.stderr.startswith("error: nothing to draw: ")) == (1, True)
    assert before.stderr.endswith(f") in {place} has had no movement by 2025-06-01 00:00 UTC\n")

    monkeypatch.delitem(sys.modules, "starter.cli.chart_picture", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    missing = await command("stock", *ten_days(course), "--output", str(file))
    needs = "this command needs `pip install 'stockkeeper[charts]'` (matplotlib is missing)\n"
    assert (missing.exit_code, missing.stdout, missing.stderr) == (1, "", needs)
    assert files_in(tmp_path) == []


async def test_questions_store_nothing(command: Command, course: tuple[str, str], engine: Engine) -> None:
    with nothing_is_stored(engine):
        for arguments in (["at", "now", course[0]], ["history", course[0], "--warehouse", course[1]], ten_days(course)):
            await printed(command, *arguments)
