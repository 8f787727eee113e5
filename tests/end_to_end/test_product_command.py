"""`stockkeeper product` and `scan`: names and barcodes, and what leads to a product by them."""

import json
from pathlib import Path

from sqlalchemy import Engine

from tests.support.commands import Command, names
from tests.support.shop import Shop, new_reference


async def test_a_product_is_renamed_and_found_by_both_of_its_names(
    command: Command, shop: Shop, engine: Engine
) -> None:
    item, new = shop.item(7), new_reference("TEA")
    old, place = names(engine, item)
    renamed = await command("product", "rename", old, new, "--performed-by", "olga")
    assert (renamed.exit_code, renamed.stderr) == (0, "")
    assert renamed.stdout.splitlines()[0].startswith(f"{new}: ")
    told = renamed.stdout.splitlines()[1]
    assert (told.startswith(f"was {old} until "), told.endswith(", renamed by olga")) == (True, True)
    for name in (old, new, old.lower()):
        shown = json.loads((await command("stock", "show", name, "--json")).stdout)
        assert [(each["sku"], each["warehouse"], each["quantity_on_hand"]) for each in shown] == [(new, place, 7)]
    history = await command("stock", "history", old, "--warehouse", place)
    assert history.exit_code == 0
    assert f"{new} {told}" in history.stdout
    assert json.loads((await command("product", "show", old, "--json")).stdout)["sku"] == new
    again = await command("product", "rename", old, f" {new}")
    assert (again.exit_code, again.stdout) == (1, "")
    assert again.stderr == "InvalidRequest: sku: must not begin or end with a space\n"


async def test_barcodes_are_imported_scanned_and_taken_away(
    command: Command, shop: Shop, engine: Engine, tmp_path: Path
) -> None:
    item, own = shop.item(7), new_reference("SHELF")
    sku, _ = names(engine, item)
    file = tmp_path / "barcodes.csv"
    file.write_text(f"sku,barcode,unit,quantity\n{sku},{own},case,24\n")
    imported = await command("import", "barcodes", str(file), "--performed-by", "olga")
    assert imported.stdout == "imported 1 barcode: 1 new, 0 updated, 0 unchanged\n"
    told = await command("scan", own)
    assert (told.exit_code, told.stdout) == (0, f"24 x {sku} (case)\n")
    scanned = json.loads((await command("scan", f"]C0{own}\r", "--json")).stdout)
    assert scanned == {
        "readings": [
            {
                "gtin": None,
                "product_id": item.product_id,
                "sku": sku,
                "lot_number": None,
                "expires_on": None,
                "serial": None,
                "quantity": 24,
                "unit": "case",
                "elements": [],
            }
        ],
        "certain": True,
    }
    lost = await command("scan", "]C10104006381333931" + "10X17261231")
    assert lost.exit_code == 1
    assert lost.stdout.splitlines()[0] == "it may mean 2 things; look at the label:"
    exported = await command("stock", "export", "barcodes", "-")
    assert f"{sku},{own},case,24" in exported.stdout.splitlines()
    gone = await command("product", "forget-barcode", own, "--performed-by", "olga")
    assert (gone.exit_code, gone.stdout) == (0, f"{own} doesn't mean 24 x {sku} (case) any more\n")
    assert json.loads((await command("scan", own, "--json")).stdout) == {"readings": [], "certain": False}
    again = await command("product", "forget-barcode", own)
    assert (again.exit_code, again.stderr) == (1, f"InvalidRequest: no product has the barcode {own}\n")
