"""A count of tracked products over the wire and on the command line: lots on the sheet, found ones, and decisions."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine

from tests.support.commands import Command, DocumentCommands, names
from tests.support.cycle_count import Counts, Line, approval, counted, lines
from tests.support.lots import TODAY, lot_books, lot_item
from tests.support.shop import Shop, new_reference
from tests.support.wire import refusal

LAST = TODAY + timedelta(days=300)


async def test_lots_are_counted_over_the_wire(counts: Counts, shop: Shop, engine: Engine) -> None:
    item, number = lot_item(shop, ("A", LAST, 10), ("B", None, 10)), new_reference("count")
    sku, _ = names(engine, item)
    state = await counts.open(number, item)
    nothing_yet = {name: None for name in Line._fields if name != "status"} | {"needs_approval": False}
    line = {"product_id": item.product_id, "status": "COUNTING"} | nothing_yet
    assert state["lines"] == [line | {"lot_number": "A", "expires_on": LAST.isoformat()}, line | {"lot_number": "B"}]
    refused = await refusal(counts.record(number, item, 10))
    assert (refused.type, "name the lot number of all 10 units" in refused.message) == ("InvalidRequest", True)
    for lot, units in (("A", 10), ("B", 5)):
        state = await counts.update(number, "record", counted(item, units) | {"lot_number": lot})
    posted = Line("POSTED", 10, "ann", None, None, 10, 0)
    assert (state["status"], lines(state)) == ("REVIEW", [posted, Line("REVIEW", 5, "ann")])
    found = {"lot_number": "C", "expires_on": LAST.isoformat()}
    state = await counts.update(number, "record", counted(item, 1, "bob") | found)
    assert [line["lot_number"] for line in state["lines"]] == ["A", "B", "C"]
    assert lines(state)[2] == Line("POSTED", 1, "bob", "UNEXPLAINED", None, 0, 1)
    assert (await counts.metadata(number)).current_details.count(f"{sku}, lot B") == 1
    assert (await counts.bodies(number))[0].splitlines()[-1] == f"{sku}, lot B, counted by ann"
    state = await counts.update(number, "approve_variance", approval(item) | {"lot_number": "B"})
    assert (state["status"], lines(state)[1]) == ("POSTED", Line("POSTED", 5, "ann", "DAMAGE", "cid", 10, -5))
    assert lot_books(engine, item) == {"A": (10, 0, 0), "B": (5, 0, 0), "C": (1, 0, 0)}


async def test_a_sheet_names_lots_and_takes_those_that_are_found(
    command: Command, shop: Shop, engine: Engine, tmp_path: Path
) -> None:
    milk = lot_item(shop, ("A", LAST, 10), ("B", None, 10))
    tea = shop.item(10, warehouse=milk.warehouse_id)
    (sku, place), plain = names(engine, milk), names(engine, tea)[0]
    walk = DocumentCommands(command, "count", new_reference("count"))
    await walk.told("start", "--warehouse", place, "--sku", sku, "--sku", plain, "--performed-by", "wanda")
    assert [(row["sku"], row.get("lot_number"), row.get("expires_on")) for row in await walk.json("sheet")] == sorted(
        [(sku, "A", LAST.isoformat()), (sku, "B", None), (plain, None, None)], key=lambda row: row[0]
    )
    sheet = tmp_path / "sheet.csv"
    await walk.told("sheet", "--output", str(sheet))
    [header, *rows] = sheet.read_text().splitlines()
    assert header == "sku,product,lot_number,expires_on,quantity,not_by"
    filled = {f"{sku},": "10"} | {f"{plain},": "9"}
    done = [header]
    for row in rows:
        cells = row.split(",")
        cells[4] = filled[f"{cells[0]},"]
        done.append(",".join(cells))
    sheet.write_text("\n".join([*done, f"{sku},,C,{LAST},1,"]) + "\n")
    told = await walk.told("record", "--lines", str(sheet), "--performed-by", "ann")
    assert told.splitlines()[0] == f"count {walk.number}: COUNTING → POSTED, {place}, 4 items: 4 in the books"
    assert f"{sku}, lot C" in told
    assert lot_books(engine, milk) == {"A": (10, 0, 0), "B": (10, 0, 0), "C": (1, 0, 0)}

    again = DocumentCommands(command, "count", new_reference("count"))
    await again.told("start", "--warehouse", place, "--sku", sku, "--performed-by", "wanda")
    lost = ["--line", f"{sku}=10#A#{LAST}", "--line", f"{sku}=2#B", "--line", f"{sku}=1#C"]
    await again.told("record", *lost, "--performed-by", "ann")
    reviewed = await command("count", "review", "--count", again.number, "--json")
    assert '"lot_number": "B"' in reviewed.stdout
    approved = await again.told("approve", f"{sku}#B", "--root-cause", "damage", "--approver", "cid")
    assert f"{sku}, lot B" in approved
    assert lot_books(engine, milk) == {"A": (10, 0, 0), "B": (2, 0, 0), "C": (1, 0, 0)}
