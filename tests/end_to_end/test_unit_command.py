"""Packs and measures on the command line: read exactly, shown back, and base units on the wire."""

import json
from pathlib import Path

from sqlalchemy import Engine, insert, text

from database import tables
from stockkeeper.domain.stock import ItemKey
from tests.end_to_end.test_purchase_order_command import agree, supplier_named
from tests.support.books import level, nothing_changes
from tests.support.commands import Command, names
from tests.support.shop import Shop, new_reference


def pack(engine: Engine, product: int, unit: str, quantity: int, supplier: int | None = None) -> None:
    row = {"product_id": product, "unit": unit, "quantity": quantity, "supplier_id": supplier}
    with engine.begin() as connection:
        connection.execute(insert(tables.product_units).values(row))


def in_grams(engine: Engine, shop: Shop) -> ItemKey:
    """An item that is counted in grams, without stock."""
    item = shop.item(0)
    with engine.begin() as connection:
        change = text("UPDATE products SET base_unit = 'GRAM', unit_cost = 0.01 WHERE product_id = :product_id")
        connection.execute(change, {"product_id": item.product_id})
    return item


async def test_a_case_is_a_case_from_the_order_to_the_shelf_and_out_again(
    command: Command, shop: Shop, engine: Engine
) -> None:
    item, po, order = shop.item(0), new_reference("po"), new_reference()
    (sku, place), (supplier_id, supplier) = names(engine, item), supplier_named(shop, engine)
    pack(engine, item.product_id, "case", 24)
    pack(engine, item.product_id, "case", 30, supplier_id)
    agree(engine, supplier_id, item.product_id, "0.5")
    create = ("po", "create", po, "--supplier", supplier, "--warehouse", place, "--reason", "low")
    made = await command(*create, "--line", f"{sku}=5 cases")
    assert (made.exit_code, f"{sku}: 5 cases of 30 = 150" in made.stderr) == (0, True)
    assert ("total 75.00" in made.stdout, "150 (5 cases of 30)" in made.stdout) == (True, True)
    received = await command("po", "receive", po, "--receipt-id", "R-1", "--line", f"{sku}=4case", "--json")
    [line] = json.loads(received.stdout)["line_items"]
    assert (line["qty"], line["quantity_received"]) == (150, 120)
    # The house's own case holds 24.
    shown = await command("stock", "show", sku)
    assert "120 (5 cases of 24)" in shown.stdout
    held = await command("reserve", "start", order, "--line", f"{sku}@{place}=2 cases + 3")
    assert (held.exit_code, f"{sku}: 2 cases of 24 + 3 = 51" in held.stderr) == (0, True)
    assert "51 (2 cases of 24 + 3)" in held.stdout
    shipped = await command("reserve", "fulfill", order, "--line", f"{sku}=1 case", "--json")
    assert json.loads(shipped.stdout)["lines"][0]["quantity_fulfilled"] == 24
    assert level(engine, item) == (96, 27)


async def test_a_kilogram_is_a_thousand_grams_and_a_part_of_a_gram_is_refused(
    command: Command, shop: Shop, engine: Engine, tmp_path: Path
) -> None:
    item = in_grams(engine, shop)
    sku, place = names(engine, item)
    adjust = ("adjust", "create", new_reference("adj"), "--warehouse", place, "--reason", "found")
    added = await command(*adjust, "--line", f"{sku}=0.025 kg")
    assert (added.exit_code, f"{sku}: 0.025 kg = 25 g" in added.stderr) == (0, True)
    assert "+25 g" in added.stdout
    with nothing_changes(engine, item):
        refused = await command(*adjust[:2], new_reference("adj"), *adjust[3:], "--line", f"{sku}=1.2345kg")
    assert (refused.exit_code, refused.stderr) == (
        1,
        f"InvalidRequest: --line '{sku}=1.2345kg': 1.2345 kg isn't whole in grams; the nearest are 1234 g or 1235 g\n",
    )
    lines = tmp_path / "lines.csv"
    lines.write_text(f"sku,quantity,unit\n{sku},-0.005,kg\n")
    taken = await command(*adjust[:2], new_reference("adj"), *adjust[3:], "--lines", str(lines))
    assert (taken.exit_code, "-5 g" in taken.stdout) == (0, True)
    assert level(engine, item) == (20, 0)


async def test_packs_are_exported_and_shown_and_count_for_buffers_and_points(
    command: Command, shop: Shop, engine: Engine, tmp_path: Path
) -> None:
    item = shop.item(100)
    (sku, place), (_, supplier) = names(engine, item), supplier_named(shop, engine)
    units, written = tmp_path / "units.csv", tmp_path / "written.csv"
    units.write_text(f"sku,unit,quantity,supplier\n{sku},Case,24,\n{sku},case,30,{supplier}\n")
    imported = await command("import", "units", str(units))
    assert (imported.exit_code, imported.stdout) == (0, "imported 2 packs: 2 new, 0 updated, 0 unchanged\n")
    shown = await command("product", "show", sku)
    assert shown.stdout.splitlines()[1:] == ["a case has 24", f"a case has 30, of {supplier}"]
    await command("stock", "export", "units", str(written))
    head, *lines = written.read_text().splitlines()
    assert (head, [line for line in lines if line.startswith(sku)]) == (
        "sku,unit,quantity,supplier",
        [f"{sku},case,24,", f"{sku},case,30,{supplier}"],
    )
    kept = await command("stock", "buffer", sku, "2 cases", "--warehouse", place, "--json")
    assert (json.loads(kept.stdout)["quantity_buffer"], kept.stderr) == (48, f"{sku}: 2 cases of 24 = 48\n")
    planned = await command("plan", "set", sku, place, "--reorder-point", "3case", "--json")
    assert json.loads(planned.stdout)["reorder_point"] == 72
    parts = await command("stock", "buffer", sku, "2.5", "--warehouse", place)
    assert parts.stderr == "InvalidRequest: UNITS: '2.5' must be whole units, without dots or commas, such as 20\n"


async def test_a_cost_says_what_it_is_of_where_a_line_is_in_packs(command: Command, shop: Shop, engine: Engine) -> None:
    item, po = shop.item(0), new_reference("po")
    (sku, place), (_, supplier) = names(engine, item), supplier_named(shop, engine)
    pack(engine, item.product_id, "case", 24)
    create = ("po", "create", po, "--supplier", supplier, "--warehouse", place, "--reason", "low", "--line")
    unclear = await command(*create, f"{sku}=5 cases@57.60")
    assert (unclear.exit_code, unclear.stderr.splitlines()[-1]) == (
        1,
        f"InvalidRequest: --line '{sku}=5 cases@57.60': say what 57.60 is the cost of: 57.60/case, or 57.60/each",
    )
    uneven = await command(*create, f"{sku}=5 cases@10/case")
    assert "10/case is no exact cost of one in 6 decimal places; give 0.416667, or another" in uneven.stderr
    made = await command(*create, f"{sku}=5 cases@57.60/case", "--json")
    [line] = json.loads(made.stdout)["line_items"]
    assert (line["qty"], line["unit_cost"]) == (120, "2.40")
