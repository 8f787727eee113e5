"""`stockkeeper stock history`: a product's movements, and the run behind each."""

from dataclasses import dataclass
from datetime import tzinfo
from operator import attrgetter

from rich.markup import escape

from starter.cli import options, printing
from starter.cli.context import connect, run, ui_url
from starter.cli.links import linked, run_url
from starter.cli.output import err, out, print_json, table
from starter.cli.product import former
from starter.cli.products import product_asked, product_named
from starter.cli.times import instant_or_none, to_the_second
from starter.cli.zones import zone_of, zones_of
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.ledger import Movement
from stockkeeper.contracts.product import ProductNames


@dataclass(frozen=True)
class Place:
    """A warehouse in which the product is or was."""

    warehouse_id: int
    warehouse: str
    zone: tzinfo


@dataclass(frozen=True)
class Shown:
    """A movement, its warehouse, and the address of its run in the Temporal UI; None: unknown."""

    movement: Movement
    place: Place
    url: str | None


def history(
    product: options.OnlySku = None,
    *,
    sku: options.SkuOption = None,
    warehouse: options.OnlyWarehouse = None,
    since: options.Since = None,
    until: options.Until = None,
    limit: options.Latest = 50,
    as_json: options.AsJson = False,
) -> None:
    """List a product's movements, the latest first: units, balance, actor, reason and workflow run.

    Without a warehouse those of all warehouses, each in its own time. A workflow's name links to its run in the
    Temporal UI, in terminals that have links; STOCKKEEPER_UI_URL is the UI's address.
    """

    async def work() -> tuple[list[Shown], ProductNames]:
        for text, of in ((since, "--since"), (until, "--until")):
            instant_or_none(text, of)  # Before anything is asked.
        named = product_asked(product, sku)
        if named is None:
            raise InvalidRequest("name the product: stockkeeper stock history SKU")
        stock = await connect()
        zone = await zone_of(stock, warehouse)
        begin, end = instant_or_none(since, "--since", zone=zone), instant_or_none(until, "--until", zone=zone)
        wanted, ui, namespace = await product_named(stock, named), ui_url(), stock.client.namespace
        found: list[Shown] = []
        for place in await _places(stock, named, warehouse):
            moved = stock.history(wanted, place.warehouse_id, since=begin, until=end)
            found += [
                Shown(each, place, run_url(ui, namespace, each.workflow_id, each.run_id))
                for each in await printing.first_of(moved, limit)
            ]
        found.sort(key=attrgetter("movement.created_at", "movement.movement_id"), reverse=True)
        return found[:limit], await stock.product_names(wanted)

    rows, names = run(work())
    if as_json:
        print_json(
            [
                each.movement.model_dump(mode="json")
                | {"warehouse_id": each.place.warehouse_id, "warehouse": each.place.warehouse, "run_url": each.url}
                for each in rows
            ]
        )
        return
    where = [] if warehouse else ["warehouse"]
    by_lot = any(each.movement.lot_number is not None for each in rows)
    lots = ["lot", "#of lot"] if by_lot else []
    out.print(
        table(
            ["at", *where, "movement", "#units", "#on hand", *lots, "of", "by", "why", "workflow"],
            [_cells(each, of_all=not warehouse, by_lot=by_lot) for each in rows],
        )
    )
    for line in former(names):
        out.print(f"{escape(names.sku)} {line}")
    if len(rows) == limit:
        err.print(f"the latest {limit}; --limit shows more")


async def _places(stock: Stockkeeper, product: str, warehouse: str | None) -> list[Place]:
    """The one warehouse, or all that have or had the product."""
    wanted = await product_named(stock, product)
    if warehouse is not None:
        ids = (await stock.ids(warehouses=[warehouse])).warehouses
        names = (await stock.names(warehouse_ids=ids.values())).warehouse_names
    else:
        names = {each.warehouse_id: each.warehouse async for each in stock.levels(wanted)}
    zones = await zones_of(stock, names)
    return [Place(warehouse_id, name, zones[warehouse_id]) for warehouse_id, name in names.items()]


def _moved_before(movement: Movement, zone: tzinfo) -> str:
    return "" if movement.occurred_at is None else f" (goods moved {to_the_second(movement.occurred_at, zone)})"


def _cells(shown: Shown, *, of_all: bool, by_lot: bool) -> list[str]:
    movement = shown.movement
    return [
        to_the_second(movement.created_at, shown.place.zone),
        *([escape(shown.place.warehouse)] if of_all else []),
        movement.movement_type,
        f"{movement.quantity:+}",
        str(movement.balance_after),
        *([printing.text(movement.lot_number), printing.text(movement.lot_balance_after)] if by_lot else []),
        escape(movement.reference_id),
        escape(movement.performed_by),
        escape(movement.reason) + _moved_before(movement, shown.place.zone),
        linked(movement.workflow_id, shown.url),
    ]
