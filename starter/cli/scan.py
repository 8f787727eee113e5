"""`stockkeeper scan`: what a scanned text means, in words for somebody with gloves on."""

from typing import Annotated

import typer
from rich.markup import escape

from starter.cli.context import connect, run
from starter.cli.options import AsJson
from starter.cli.output import out, print_json
from starter.cli.times import day_shown
from stockkeeper.contracts.barcode import ScanAnswer, ScanReading

_SHOWN = frozenset({"01", "02", "10", "17", "21", "37"})
"""Elements that the sentence itself has."""
_TOLD = 9
"""Readings that are told; JSON has all."""


def scan(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="As the scanner sends it.")], *, as_json: AsJson = False
) -> None:
    """Say what a scanned text means: product, lot, expiry, serial number, and how many. Nothing is guessed.

    Exit status 1 where it isn't certain, or no product has the barcode.
    """

    async def work() -> ScanAnswer:
        return await (await connect()).scan(text)

    answer = run(work())
    if as_json:
        print_json(answer)
        return
    for line in sentences(answer):
        out.sentence(line)
    if not answer.certain or answer.readings[0].product_id is None:
        raise SystemExit(1)


def sentences(answer: ScanAnswer) -> list[str]:
    """What the person who scans has to know, and what to do."""
    if not answer.readings:
        return ["[red]not understood[/red]: this is no GTIN, no GS1 barcode, and no code of a product; scan it again"]
    if len(answer.readings) > 1:
        return [
            f"[yellow]it may mean {len(answer.readings)} things[/yellow]; look at the label:",
            *(f"{place}. {_what(reading)}" for place, reading in enumerate(answer.readings[:_TOLD], start=1)),
            *([f"and {len(answer.readings) - _TOLD} more"] if len(answer.readings) > _TOLD else []),
            "Scan another barcode of the label, or type what it says in brackets: (01)… (17)… (10)…",
        ]
    [reading] = answer.readings
    wrong = [each.problem for each in reading.elements if each.problem]
    if not answer.certain:
        why = "; ".join(wrong) or "its parts don't fit together"
        return [f"[yellow]not certain[/yellow]: {escape(why)}", _what(reading), "Scan it again, or type the label."]
    if reading.product_id is None and reading.gtin is not None:
        return [
            f"[yellow]unknown[/yellow]: no product has the GTIN {reading.gtin}",
            _what(reading),
            "Put the goods aside, and have the barcode imported (`stockkeeper import barcodes`).",
        ]
    return [_what(reading)]


def _what(reading: ScanReading) -> str:
    """A reading in one line: how many of which product, which lot, and until when."""
    parts = []
    if reading.sku is not None:
        pack = "" if reading.unit in (None, "each") else f" ({escape(reading.unit or '')})"
        many = "" if reading.quantity is None else f"{reading.quantity:,} x "
        parts.append(f"{many}[bold]{escape(reading.sku)}[/bold]{pack}")
    elif reading.gtin is not None:
        parts.append(f"GTIN {reading.gtin}")
    if reading.lot_number is not None:
        parts.append(f"lot [bold]{escape(reading.lot_number)}[/bold]")
    if reading.expires_on is not None:
        parts.append(f"expires on [bold]{day_shown(reading.expires_on)}[/bold]")
    if reading.serial is not None:
        parts.append(f"serial number [bold]{escape(reading.serial)}[/bold]")
    parts += [
        f"{each.title} {escape(each.value) if each.day is None else day_shown(each.day)}"
        for each in reading.elements
        if each.title and not each.problem and each.ai not in _SHOWN
    ]
    return ", ".join(parts) or "nothing that says which goods"
