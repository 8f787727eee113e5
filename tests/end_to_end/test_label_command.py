"""`stockkeeper label` of a product that is looked up."""

import json
import random
import sys
from datetime import date

import pytest
from sqlalchemy import Engine, insert, select

from database.tables import product_barcodes, products
from stockkeeper.domain.barcode import check_digit
from stockkeeper.domain.lot import Tracking
from stockkeeper.domain.stock import ItemKey
from tests.support.commands import Command, names
from tests.support.lots import lot_item
from tests.support.shop import Shop


def own_gtin(first: str) -> str:
    """A GTIN with 14 digits that no other product has."""
    digits = f"{first}{random.randrange(10**12):012}"
    return digits + check_digit(digits)


def give_barcodes(engine: Engine, item: ItemKey, *codes: tuple[str, str, int]) -> None:
    rows = [
        {"barcode": code, "product_id": item.product_id, "unit": unit, "quantity": quantity}
        for code, unit, quantity in codes
    ]
    with engine.begin() as connection:
        connection.execute(insert(product_barcodes), rows)


async def test_a_label_has_the_products_sku_and_name(
    command: Command, shop: Shop, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = shop.item(7)
    sku, _ = names(engine, item)
    with engine.connect() as connection:
        name = connection.execute(select(products.c.name).where(products.c.sku == sku)).scalar_one()
    printed = await command("label", sku.lower(), "--lot", "L-7", "--expires", "2027-04-30")
    assert (printed.exit_code, printed.stderr) == (0, "")
    fields = [line.partition("^FD")[2].removesuffix("^FS") for line in printed.stdout.splitlines() if "^FD" in line]
    assert fields == [sku, sku, name, "LOT", "L-7", "EXP", "2027-04-30"]
    unknown = await command("label", f"{sku}-NONE", "--format", "zpl")
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert unknown.stderr.startswith("UnknownProduct: ")
    for module in ("starter.cli.label_fonts", "starter.cli.label_picture", "starter.cli.label_zpl"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "zxingcpp", None)
    without = await command("label", sku)
    needs = "this command needs `pip install 'stockkeeper[labels]'` (zxingcpp is missing)\n"
    assert (without.exit_code, without.stderr) == (1, needs)


async def test_a_label_has_the_products_gtin_of_that_pack(command: Command, shop: Shop, engine: Engine) -> None:
    item = shop.item(7)
    sku, _ = names(engine, item)
    each, case = own_gtin("0"), own_gtin("1")
    give_barcodes(engine, item, (each, "each", 1), (case, "case", 24))

    async def code(*options: str) -> tuple[str, str]:
        told = json.loads((await command("label", sku, *options, "--json")).stdout)
        return told["code"], told["unit"]

    assert await code("--quantity", "12") == (f"01{each}3012", "each")
    assert await code("--quantity", "2", "--unit", "case", "--lot", "L-7") == (f"01{case}10L-7\x1d302", "case")
    assert await code("--plain") == (sku, "each")
    pallet = await command("label", sku, "--unit", "pallet")
    assert (pallet.exit_code, pallet.stdout) == (1, "")
    assert " ".join(pallet.stderr.split()) == (
        f"InvalidRequest: {sku} has the GTINs {each} (each of 1), {case} (case of 24): say which by --unit or --gtin, "
        "or use --plain"
    )
    shown = await command("product", "show", sku)
    assert shown.stdout.splitlines()[1:] == [f"{each}: each, 1", f"{case}: case, 24"]
    listed = json.loads((await command("product", "show", sku, "--json")).stdout)
    assert (listed["tracking"], listed["base_unit"]) == ("NONE", "EACH")
    assert listed["barcodes"] == [
        {"barcode": each, "unit": "each", "quantity": 1},
        {"barcode": case, "unit": "case", "quantity": 24},
    ]


async def test_a_label_has_the_days_of_its_lot_and_never_others(command: Command, shop: Shop, engine: Engine) -> None:
    day = date(2027, 4, 30)
    item = lot_item(shop, ("L-7", day, 5))
    sku, _ = names(engine, item)
    gtin = own_gtin("0")
    give_barcodes(engine, item, (gtin, "each", 1))

    async def refused(*options: str) -> str:
        done = await command("label", sku, *options)
        assert (done.exit_code, done.stdout) == (1, "")
        return " ".join(done.stderr.split())

    told = json.loads((await command("label", sku, "--lot", "L-7", "--json")).stdout)
    assert (told["code"], told["expires_on"]) == (f"01{gtin}1727043010L-7", "2027-04-30")
    assert await refused("--lot", "L-7", "--expires", "2027-05-01") == (
        f"InvalidRequest: L-7 of {sku} expires on 2027-04-30, as it was received, and not 2027-05-01"
    )
    assert await refused("--lot", "l-8") == (
        f"InvalidRequest: l-8 of {sku} isn't known: read it again, or give its --expires or --best-before to print it "
        "before it is received"
    )
    early = json.loads((await command("label", sku, "--lot", "L-8", "--best-before", "2027-05-01", "--json")).stdout)
    assert early["code"] == f"01{gtin}1527050110L-8"
    single = lot_item(shop, ("SN-1", day, 1), tracking=Tracking.SERIAL)
    one = json.loads((await command("label", names(engine, single)[0], "--lot", "SN-1", "--json")).stdout)
    assert (one["serial"], one["lot_number"], one["expires_on"]) == ("SN-1", None, "2027-04-30")
