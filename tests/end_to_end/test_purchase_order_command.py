"""`stockkeeper po`: names where the wire has ids, what a command changed, and one line on an error."""

import json
from pathlib import Path

from sqlalchemy import Engine, insert, select

from database import tables
from tests.support.books import level, nothing_is_stored
from tests.support.commands import Command, names
from tests.support.shop import Shop, new_reference
from tests.support.wire import eventually


def supplier_named(shop: Shop, engine: Engine) -> tuple[int, str]:
    """A new supplier, and what it is called."""
    supplier = shop.supplier()
    with engine.connect() as connection:
        called = select(tables.suppliers.c.name).where(tables.suppliers.c.supplier_id == supplier)
        return supplier, str(connection.execute(called).scalar_one())


def agree(engine: Engine, supplier: int, product: int, unit_cost: str) -> None:
    """The catalogue says what the supplier asks."""
    row = {"product_id": product, "supplier_id": supplier, "unit_cost": unit_cost, "lead_time_days": 7}
    with engine.begin() as connection:
        connection.execute(insert(tables.product_suppliers).values(row))


async def test_an_order_goes_from_the_draft_to_the_shelf(command: Command, shop: Shop, engine: Engine) -> None:
    item, po = shop.item(0), new_reference("po")
    (sku, place), (_, supplier) = names(engine, item), supplier_named(shop, engine)
    made = await command(
        *("po", "create", po, "--supplier", supplier, "--warehouse", place, "--line", f"{sku}=1000@1.50"),
        *("--reason", "nearly out", "--performed-by", "rita", "--expected", "2030-01-02"),
    )
    assert (made.exit_code, f"purchase order {po}: DRAFT, 0 of 1 approvals" in made.stdout) == (0, True)
    assert f"{supplier} → {place}, total 1,500.00" in made.stdout

    own = await command("po", "approve", po, "--approver", "rita")
    assert own.exit_code == 1
    assert own.stderr == f"NotPermitted: {po} was requested by rita; another person has to approve it\n"

    approved = await command("po", "approve", po, "--approver", "ann", "--note", "fine")
    assert f"purchase order {po}: DRAFT → SUBMITTED, 0 → 1 of 1 approvals" in approved.stdout
    confirmed = await command("po", "confirm", po, "--expected", "2030-02-03")
    assert "SUBMITTED → CONFIRMED" in confirmed.stdout
    assert "expected on 2030-01-02 → 2030-02-03" in confirmed.stdout

    receipt = (
        *("po", "receive", po, "--receipt-id", "R-1", "--line", f"{sku}=400", "--rejected", f"{sku}=3"),
        *("--unfit-reason", "wrong [item]"),
    )
    assert [("0 → 400" in each.stdout, "0 → 3" in each.stdout) for each in [await command(*receipt)]] == [(True, True)]
    again = await command(*receipt)
    assert (again.exit_code, "→ 400" in again.stdout, level(engine, item)) == (0, False, (400, 0))
    assert ": 400 into stock, 3 rejected (wrong [item])" in again.stdout
    no_unfit = await command("po", "receive", po, "--receipt-id", "R-2", "--all", "--unfit-reason", "wet")
    assert (no_unfit.exit_code, no_unfit.stderr) == (
        1,
        "InvalidRequest: unfit_reason: a reason needs units that were rejected or damaged\n",
    )

    too_many = await command("po", "receive", po, "--receipt-id", "R-2", "--line", f"{sku}=601")
    assert (too_many.exit_code, too_many.stderr) == (
        1,
        f"InvalidRequest: {sku}: 601 delivered, but only 600 still owed\n",
    )
    rest = await command("po", "receive", po, "--receipt-id", "R-2", "--all", "--json")
    assert (json.loads(rest.stdout)["status"], level(engine, item)) == ("RECEIVED", (1000, 0))
    late = await command("po", "cancel", po, "--reason", "too late")
    assert (late.exit_code, late.stderr) == (
        1,
        f"InvalidState: {po} has been received and can't be cancelled\n",
    )

    async def listed() -> list[tuple[str, str, str]]:
        result = await command("po", "list", "--status", "RECEIVED", "--sku", sku, "--json")
        return [(row["po_number"], row["supplier"], row["total"]) for row in json.loads(result.stdout)]

    assert await eventually(listed, bool) == [(po, supplier, "1500.00")]


async def test_everything_is_received_once_however_often_it_is_said(
    command: Command, shop: Shop, engine: Engine
) -> None:
    item, po = shop.item(0), new_reference("po")
    (sku, place), (_, supplier) = names(engine, item), supplier_named(shop, engine)
    made = await command(
        *("po", "create", po, "--supplier", supplier, "--warehouse", place, "--line", f"{sku}=10@1.50"),
        *("--reason", "nearly out", "--json"),
    )
    assert json.loads(made.stdout)["status"] == "SUBMITTED"

    async def received(*options: str) -> str:
        result = await command("po", "receive", po, *options)
        assert result.exit_code == 0, result.stderr
        return result.stdout

    async def refused(*options: str) -> str:
        result = await command("po", "receive", po, *options)
        assert (result.exit_code, result.stdout) == (1, "")
        return result.stderr

    everything = ("--receipt-id", "R-2", "--all")
    await received("--receipt-id", "R-1", "--line", f"{sku}=4")
    with nothing_is_stored(engine):
        assert await refused("--receipt-id", "R-2", "--line", f"{sku}=0") == (
            "InvalidRequest: lines.0: quantity: a delivered line needs accepted or rejected units\n"
        )
        # That delivery was another one: to say nothing would leave six units on the dock.
        assert await refused("--receipt-id", "R-1", "--all") == (
            f"OperationConflict: delivery R-1 of {po} was booked with other quantities; "
            "another delivery needs another number\n"
        )
    first = json.loads(await received(*everything, "--json"))
    assert (first["status"], level(engine, item)) == ("RECEIVED", (10, 0))
    assert [(each["receipt_id"], each["accepted"]) for each in first["receipts"]] == [("R-1", 4), ("R-2", 6)]
    with nothing_is_stored(engine):
        again = json.loads(await received(*everything, "--json"))
        assert (again["status"], again["receipts"]) == ("RECEIVED", first["receipts"])
        printed = await received(*everything)
        assert (f"purchase order {po}: RECEIVED, " in printed, "→ 10" in printed) == (True, False)
        assert await refused("--receipt-id", "R-3", "--all") == (
            f"InvalidRequest: purchase order {po}: nothing is owed any more\n"
        )


async def test_lines_come_from_a_file_at_the_agreed_cost(
    command: Command, shop: Shop, engine: Engine, tmp_path: Path
) -> None:
    first, second = shop.items(2, 0)
    (sku, place), (other, _) = names(engine, first), names(engine, second)
    supplier, _ = supplier_named(shop, engine)
    agree(engine, supplier, first.product_id, "2.40")
    file = tmp_path / "lines.csv"
    file.write_text(f"sku,qty,unit_cost\n{sku},10,\n{other},3,7.125\n")
    whole = ("po", "create", new_reference("po"), "--supplier", str(supplier), "--warehouse", place, "--reason", "r")
    made = json.loads((await command(*whole, "--lines", str(file), "--json")).stdout)
    assert (made["status"], made["total"]) == ("SUBMITTED", "45.375")
    assert [(line["product_id"], line["qty"], line["unit_cost"]) for line in made["line_items"]] == [
        (first.product_id, 10, "2.40"),
        (second.product_id, 3, "7.125"),
    ]


async def test_a_line_that_is_wrong_is_one_line_and_stores_nothing(
    command: Command, shop: Shop, engine: Engine, tmp_path: Path
) -> None:
    item = shop.item(0)
    (sku, place), (_, supplier) = names(engine, item), supplier_named(shop, engine)
    columns, rows = tmp_path / "columns.csv", tmp_path / "rows.csv"
    columns.write_text("sku,units\nA,1\n")
    rows.write_text(f"sku,qty\n{sku},1\n{sku},many\n")
    cases = {
        ("--line", f"{sku}=2"): (
            f"InvalidRequest: no cost is agreed with this supplier for {sku}; give one, such as SKU=50@4.20"
        ),
        ("--line", f"{sku}@2"): (
            f"InvalidRequest: --line '{sku}@2': must be SKU=UNITS or SKU=UNITS@COST, such as TEA-100=50@4.20"
        ),
        ("--line", f"{sku}=2@cheap"): (
            'InvalidRequest: unit_cost: must be an amount of money as a string, such as "12.50", '
            "with at most six decimals"
        ),
        ("--line", "nothing=2@1"): "UnknownProduct: no product is called 'nothing'",
        (): "InvalidRequest: give the lines with --line, or a file of them with --lines",
        ("--lines", str(columns)): (
            f"InvalidRequest: {columns}: the columns have to be sku, qty and, unless as agreed, unit_cost"
        ),
        ("--lines", str(rows)): "InvalidRequest: line 3: needs a sku and whole units, without dots or commas",
    }
    whole = ("--supplier", supplier, "--warehouse", place, "--reason", "r")
    with nothing_is_stored(engine):
        for options, message in cases.items():
            result = await command("po", "create", new_reference("po"), *whole, *options)
            assert (result.exit_code, result.stdout, result.stderr) == (1, "", message + "\n")


async def test_forty_approvals_are_one_command_and_one_refusal_stops_none(
    command: Command, shop: Shop, engine: Engine
) -> None:
    item = shop.item(0)
    (sku, place), (_, supplier) = names(engine, item), supplier_named(shop, engine)
    numbers = [new_reference("po") for _ in range(3)]
    for number, requester in zip(numbers, ("rita", "ann", "rita"), strict=True):
        made = await command(
            *("po", "create", number, "--supplier", supplier, "--warehouse", place, "--line", f"{sku}=1000@1.50"),
            *("--reason", "nearly out", "--performed-by", requester),
        )
        assert made.exit_code == 0

    async def waiting() -> list[str]:
        found = json.loads((await command("po", "inbox", "--json")).stdout)
        return [row["po_number"] for row in found if row["po_number"] in numbers]

    assert await eventually(waiting, lambda found: len(found) == 3) == numbers
    everything = json.loads((await command("inbox", "--json")).stdout)
    assert [(row["where"], row["about"]) for row in everything if row["number"] == numbers[0]] == [
        ([place], f"worth 1,500.00, from {supplier}")
    ]
    approved = await command("po", "approve", *numbers, "--approver", "ann")
    assert approved.exit_code == 1
    assert approved.stdout.splitlines() == [
        f"purchase order {number}: DRAFT → SUBMITTED, 0 → 1 of 1 approvals" for number in (numbers[0], numbers[2])
    ]
    assert approved.stderr == (
        f"{numbers[1]}: NotPermitted: {numbers[1]} was requested by ann; another person has to approve it\n"
    )
    rejected = await command("po", "reject", numbers[1], "--approver", "bob", "--reason", "too much")
    assert "DRAFT → CANCELLED" in rejected.stdout
    assert "closed: too much" in rejected.stdout
    closed = await command("po", "close-short", numbers[0], "--reason", "discontinued", "--json")
    assert json.loads(closed.stdout)["status"] == "CANCELLED"
    shown = await command("po", "show", numbers[2])
    assert f"purchase order {numbers[2]}: SUBMITTED, 1 of 1 approvals" in shown.stdout
    assert await eventually(waiting, lambda found: not found) == []


async def test_an_order_is_amended_by_all_lines_or_by_those_that_change(
    command: Command, shop: Shop, engine: Engine
) -> None:
    item, po = shop.item(0), new_reference("po")
    other = shop.item(0)
    (sku, place), (more, _), (_, supplier) = names(engine, item), names(engine, other), supplier_named(shop, engine)
    await command(
        *("po", "create", po, "--supplier", supplier, "--warehouse", place, "--line", f"{sku}=1000@1.50"),
        *("--reason", "nearly out", "--performed-by", "rita"),
    )
    await command("po", "approve", po, "--approver", "ann")
    change = ("po", "amend", po, "--change", f"{sku}=2000", "--change", f"{more}=1@2.50", "--performed-by", "olga")
    grown = await command(*change, "--reason", "a large order came")
    assert grown.exit_code == 0
    assert f"purchase order {po}: SUBMITTED → DRAFT, 1 → 0 of 1 approvals, version 1 → 2" in grown.stdout
    assert "version 2: amended by olga at " in grown.stdout
    assert "a large order came (total before: 1,500.00) (new)" in grown.stdout
    for refused, told in (
        (("approve", po, "--approver", "olga"), f"NotPermitted: {po} was requested or amended by olga; another person"),
        (
            ("approve", po, "--approver", "ann", "--version", "1"),
            f"InvalidState: {po} has been amended: it is version 2",
        ),
        (
            ("amend", po, "--change", "nothing", "--reason", "x"),
            "InvalidRequest: --change 'nothing': must be SKU=UNITS",
        ),
        (("amend", po, "--reason", "x"), "InvalidRequest: give the lines with --line, or a file of them with --lines"),
    ):
        answer = await command("po", *refused)
        assert (answer.exit_code, answer.stderr.startswith(told)) == (1, True), answer.stderr
    sent = await command("po", "approve", po, "--approver", "ann", "--version", "2")
    assert "DRAFT → SUBMITTED, 0 → 1 of 1 approvals" in sent.stdout
    less = await command("po", "amend", po, "--line", f"{sku}=500@1.50", "--reason", "less", "--json")
    state = json.loads(less.stdout)
    assert (state["status"], state["version"], state["total"]) == ("SUBMITTED", 3, "750.00")
    assert [(each["qty"], each["unit_cost"]) for each in state["line_items"]] == [(500, "1.50")]
    assert [(each["qty"], each["unit_cost"]) for each in state["drafted_line_items"]] == [(1000, "1.50")]
    # The start sent again is still the same order.
    again = await command(
        *("po", "create", po, "--supplier", supplier, "--warehouse", place, "--line", f"{sku}=1000@1.50"),
        *("--reason", "nearly out", "--performed-by", "rita", "--json"),
    )
    assert json.loads(again.stdout)["version"] == 3


async def test_a_delivery_is_corrected_and_goods_go_back_after_the_end(
    command: Command, shop: Shop, engine: Engine
) -> None:
    item, po = shop.item(0), new_reference("po")
    (sku, place), (_, supplier) = names(engine, item), supplier_named(shop, engine)
    await command(
        *("po", "create", po, "--supplier", supplier, "--warehouse", place, "--line", f"{sku}=10@1.50"),
        *("--reason", "nearly out", "--performed-by", "rita"),
    )
    await command("po", "receive", po, "--receipt-id", "R-1", "--line", f"{sku}=10")
    wrong = (
        "po",
        "correct-receipt",
        po,
        "R-1",
        "--correction-id",
        "C-1",
        "--line",
        f"{sku}=2",
        "--reason",
        "miscounted",
    )
    corrected = await command(*wrong, "--json")
    state = json.loads(corrected.stdout)
    assert (state["status"], state["line_items"][0]["quantity_received"], level(engine, item)) == (
        "RECEIVED",
        8,
        (8, 0),
    )
    assert [(each["receipt_id"], each["accepted"]) for each in state["receipts"]] == [("R-1", 10), ("C-1", -2)]
    assert [(each["correction_id"], each["receipt_id"]) for each in state["corrections"]] == [("C-1", "R-1")]
    back = (
        "po",
        "return",
        po,
        "--return-id",
        "B-1",
        "--line",
        f"{sku}=3",
        "--reason",
        "broken",
        "--reference",
        "RMA-7",
    )
    returned = await command(*back)
    assert returned.exit_code == 0, returned.stderr
    assert "return B-1 (RMA-7) by " in returned.stdout
    assert "0 → 3" in returned.stdout
    for again in (wrong, back):
        assert (await command(*again)).exit_code == 0
    assert level(engine, item) == (5, 0)
    more = await command("po", "return", po, "--return-id", "B-2", "--line", f"{sku}=6", "--reason", "broken")
    assert (more.exit_code, more.stderr) == (
        1,
        f"InvalidRequest: {sku}: 6 to be taken back, but only 5 received\n",
    )
