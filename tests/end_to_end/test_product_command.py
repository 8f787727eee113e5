"""`stockkeeper product`: another SKU, and the one that it had still leads to it."""

import json

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
