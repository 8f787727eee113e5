"""`stockkeeper lot`: lots and serial numbers, where they are, until when they may leave, and who holds them."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.markup import escape

from starter.cli import options, printing
from starter.cli.context import connect, run
from starter.cli.output import coloured, out, print_json, table
from starter.cli.products import of_product, product_asked
from starter.cli.times import day_or_none, day_shown, shown, to_the_second
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.lot_expiry import LotExpiryState
from stockkeeper.contracts.lot_questions import EXPIRING_WITHIN_DAYS, LONGEST_DAYS_AHEAD, LotHold, LotShown, LotStatus
from stockkeeper.contracts.messages import counted

app = typer.Typer(no_args_is_help=True, help="Lots and serial numbers: where they are, and until when they may leave.")

LotNumber = Annotated[str, typer.Argument(metavar="LOT", help="The lot or serial number, exactly as printed.")]
OfSku = Annotated[
    str | None, typer.Option("--sku", help="The product, where several have a lot of that number: SKU, or id:7.")
]

LISTED = ("lot", "sku", "warehouse", "last day", "#on hand", "#reserved", "#free")
"""The columns of `lot list`: so few that a row fits 80 columns."""
EXPIRING = ("warehouse", "last day", "lot", "sku", "name", "#on hand", "#reserved", "#set aside")
"""The columns of `lot expiring`."""


@app.command("list")
def list_lots(
    product: options.OnlySku = None,
    *,
    sku: options.SkuOption = None,
    warehouse: options.OnlyWarehouse = None,
    number: Annotated[str | None, typer.Option("--number", help="Only lots with this number.")] = None,
    status: Annotated[
        LotStatus | None, typer.Option("--status", help="Only lots that are available, in quarantine, or blocked.")
    ] = None,
    expiring_before: Annotated[
        str | None,
        typer.Option("--expiring-before", metavar="DAY", help="Only lots whose last day is before this one."),
    ] = None,
    with_those_gone: Annotated[
        bool, typer.Option("--all", help="With lots of which nothing is on hand any more.")
    ] = False,
    limit: options.Limit = 1_000,
    as_json: options.AsJson = False,
) -> None:
    """List lots by product, the first expired first: units on hand, reserved and free, and the days left."""

    async def work() -> list[LotShown]:
        before = day_or_none(expiring_before, "--expiring-before")
        wanted = product_asked(product, sku)
        stock = await connect()
        found = of_product(
            stock,
            wanted,
            lambda named: stock.lots(
                named,
                warehouse,
                lot_number=number,
                status=status,
                expiring_before=before,
                with_those_gone=with_those_gone,
            ),
        )
        return await printing.first_of(found, limit)

    printing.print_rows(
        run(work()),
        LISTED,
        listed,
        limit=limit,
        none="no lots",
        as_json=as_json,
    )


@app.command("expiring")
def list_expiring(
    *,
    within: Annotated[
        int,
        typer.Option(
            "--within",
            metavar="DAYS",
            min=0,
            max=LONGEST_DAYS_AHEAD,
            help="The most days left by the warehouse's calendar; 0: those whose last day is today.",
        ),
    ] = EXPIRING_WITHIN_DAYS,
    warehouse: options.OnlyWarehouse = None,
    limit: options.Limit = 1_000,
    as_json: options.AsJson = False,
) -> None:
    """List lots on hand that have expired, or soon will: by warehouse, the first expired first."""
    printing.print_rows(
        printing.ask_for(lambda stock: stock.expiring_lots(warehouse, within_days=within), limit),
        EXPIRING,
        expiring,
        limit=limit,
        none=f"no lot on hand has expired, or will within {counted(within, 'day')}",
        as_json=as_json,
    )


@app.command("expire")
def expire(*, warehouse: options.OnlyWarehouse = None, as_json: options.AsJson = False) -> None:
    """Give those who hold units of expired lots other lots now, as the hourly run does; tell of lots that soon will."""

    async def work() -> LotExpiryState:
        return await (await connect()).pass_expired_lots(warehouse_id=warehouse)

    state = run(work())
    if as_json:
        print_json(state)
        return
    out.print(
        f"{counted(state.lots_expired, 'lot')} expired and {counted(state.lots_expiring, 'lot')} near the last day "
        f"since the last run; {counted(state.units_given_up, 'held unit')} given up"
    )
    for hold in state.gave_way:
        held = f"{hold.reference_type.lower()} {escape(hold.reference_id)}"
        out.print(f"gave way: {held}, {counted(hold.quantity, 'unit')}", style="yellow")
    printing.print_afterwards(state.notes)


@app.command("show")
def show(lot: LotNumber, *, sku: OfSku = None, as_json: options.AsJson = False) -> None:
    """Show a lot: its dates, where it came from, what is on hand of it in each warehouse, and who holds it."""

    async def work() -> list[tuple[LotShown, list[LotHold]]]:
        stock = await connect()
        asked = of_product(stock, sku, lambda named: stock.lots(named, lot_number=lot, with_those_gone=True))
        if not (found := [each async for each in asked]):
            of = f" of {sku}" if sku else ""
            raise InvalidRequest(f"there is no lot {lot}{of}: write it exactly as printed; `lot list --all` shows them")
        return [
            (each, [hold async for hold in stock.lot_holds(each.product_id, lot, warehouse=each.warehouse_id)])
            for each in found
        ]

    found = run(work())
    if as_json:
        print_json(
            [
                each.model_dump(mode="json") | {"held_by": [hold.model_dump(mode="json") for hold in holds]}
                for each, holds in found
            ]
        )
        return
    for product_id in dict.fromkeys(each.product_id for each, _ in found):
        _print_lot([(each, holds) for each, holds in found if each.product_id == product_id])


def _print_lot(places: Sequence[tuple[LotShown, Sequence[LotHold]]]) -> None:
    """A lot of one product, in each warehouse."""
    lot = places[0][0]
    why = f": {escape(lot.status_reason)} ({escape(lot.status_by or '')})" if lot.status_reason else ""
    out.print(f"lot [bold]{escape(lot.lot_number)}[/bold] of {escape(lot.sku)} {coloured(lot.status)}{why}")
    days = {"expires on": lot.expires_on, "best before": lot.best_before, "made on": lot.made_on}
    out.print(", ".join(f"{what} {day_shown(day)}" for what, day in days.items() if day) or "it has no dates")
    of = f" from {escape(lot.supplier)}" if lot.supplier else ""
    by = f" with {escape(lot.receipt)}" if lot.receipt else ""
    out.print(f"came first at {to_the_second(lot.came_at)}{of}{by}")
    out.print(
        table(
            ["warehouse", "#on hand", "#reserved", "#set aside", "#free", "#left"],
            [
                [
                    escape(each.warehouse),
                    *(str(each.quantity_on_hand), str(each.quantity_reserved), str(each.quantity_unavailable)),
                    _free(each),
                    _days_left(each),
                ]
                for each, _ in places
            ],
        )
    )
    for each, holds in places:
        for hold in holds:
            until = f", until {shown(hold.expires_at)}" if hold.expires_at else ""
            held = f"{hold.reference_type.lower()} {escape(hold.reference_id)}"
            out.print(f"held by {held} in {escape(each.warehouse)}: {counted(hold.quantity, 'unit')}{until}")


def listed(lot: LotShown) -> list[str]:
    """A row of `lot list`."""
    return [
        *(escape(lot.lot_number), escape(lot.sku), escape(lot.warehouse), _last_day(lot)),
        *(str(lot.quantity_on_hand), str(lot.quantity_reserved), _free(lot)),
    ]


def expiring(lot: LotShown) -> list[str]:
    """A row of `lot expiring`."""
    return [
        *(escape(lot.warehouse), _last_day(lot), escape(lot.lot_number), escape(lot.sku), escape(lot.name)),
        *(str(lot.quantity_on_hand), str(lot.quantity_reserved), str(lot.quantity_unavailable)),
    ]


def _free(lot: LotShown) -> str:
    if lot.status is not LotStatus.AVAILABLE:
        return f"{lot.quantity_free}, {coloured(lot.status)}"
    return str(lot.quantity_free) + ("" if lot.may_leave or not lot.quantity_free else ", may not leave")


def _last_day(lot: LotShown) -> str:
    """Its last day, and how many days are left."""
    if lot.days_left is None:
        return ""
    left = f"{_days_left(lot)} left" if lot.days_left >= 0 else _days_left(lot)
    return f"{day_shown(lot.last_day)} {left}"


def _days_left(lot: LotShown) -> str:
    if lot.days_left is None:
        return ""
    days = counted(abs(lot.days_left), "day")
    return days if lot.days_left >= 0 else f"over for {days}"
