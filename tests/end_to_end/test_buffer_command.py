"""`stockkeeper stock buffer`: units that are kept from sale."""

import json

from sqlalchemy import Engine

from tests.support.commands import Command, names, words
from tests.support.shop import Shop, new_reference


async def test_units_are_kept_from_sale_and_shown(command: Command, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    sku, place = names(engine, item)
    assert "buffer" not in (await command("stock", "show", sku)).stdout
    kept = await command("stock", "buffer", sku, "3", "--warehouse", place, "--performed-by", "olga")
    assert (kept.exit_code, kept.stderr) == (0, "")
    assert "on hand reserved buffer available" in words(kept.stdout)
    [level] = json.loads((await command("stock", "show", sku, "--json")).stdout)
    assert [level[f"quantity_{each}"] for each in ("on_hand", "reserved", "buffer", "available")] == [10, 0, 3, 7]
    short = await command("reserve", "start", new_reference(), "--line", f"{sku}@{place}=8")
    assert short.exit_code == 1
    assert "requested 8, available 7" in short.stderr
    free = await command("stock", "buffer", sku, "0", "--warehouse", place, "--json")
    assert json.loads(free.stdout)["quantity_available"] == 10
