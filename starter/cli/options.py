"""The options and arguments that several commands share."""

import getpass
from pathlib import Path
from typing import Annotated, Any

import typer

from starter.cli.times import TIME_HELP
from stockkeeper.client.identity import person_by


def you() -> str:
    """The name of whoever calls: by the token that the environment has, or else by the operating system."""
    return person_by() or getpass.getuser()


AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON, for programs; a refusal is {error, message, details}.")
]
PerformedBy = Annotated[
    str,
    typer.Option("--performed-by", help="The person or service that acts.", default_factory=you, show_default="you"),
]
Approver = Annotated[
    str,
    typer.Option(
        "--approver",
        "--performed-by",
        help="The person who decides.",
        default_factory=you,
        show_default="you",
    ),
]
Reason = Annotated[str, typer.Option(help="Why.")]
Note = Annotated[str | None, typer.Option(help="A remark to keep.")]
Latest = Annotated[int, typer.Option("--limit", min=1, help="How many, latest first.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="How many lines at most.")]
InboxLimit = Annotated[int | None, typer.Option("--limit", min=1, help="How many at most.")]
Sku = Annotated[str, typer.Argument(metavar="SKU", help="The product: SKU, or id:7.")]
OnlySku = Annotated[str | None, typer.Argument(metavar="[SKU]", help="Only this product.")]
SkuOption = Annotated[str | None, typer.Option("--sku", help="The same as the argument.")]
WithSku = Annotated[str | None, typer.Option("--sku", help="Only documents with this product.")]
OfWarehouse = Annotated[str | None, typer.Option("--warehouse", help="Only documents of this warehouse: name or id.")]
Warehouse = Annotated[str, typer.Option("--warehouse", help="The warehouse: name or id.")]
OnlyWarehouse = Annotated[str | None, typer.Option("--warehouse", help="Only this warehouse: name or id.")]
OccurredAt = Annotated[
    str | None,
    typer.Option("--occurred-at", metavar="TIME", help=f"When the goods moved, if that was before now: {TIME_HELP}"),
]
Since = Annotated[str | None, typer.Option("--since", metavar="TIME", help=f"From this instant on: {TIME_HELP}")]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Until just before this instant.")]
IN_PACKS = "Units may be packs or measures: TEA-100=5case, FLOUR=1.25kg."
Lines = Annotated[list[str] | None, typer.Option("--line", metavar="SKU=UNITS", help=f"Once for each line. {IN_PACKS}")]
LinesFile = Annotated[
    Path | None, typer.Option("--lines", metavar="FILE.csv", help="The lines: columns sku, quantity, and maybe unit.")
]


def given_lines(description: str, metavar: str = "SKU=UNITS") -> Any:
    """The option ``--line`` of a command, with its own meaning."""
    return typer.Option("--line", metavar=metavar, help=f"{description} {IN_PACKS}")


def own_number(of: str, done: str) -> Any:
    """The option for a command's own number, under which it is done once.

    Args:
        of: The command as people call it: shipment.
        done: The effect: leaves, is booked.
    """
    return typer.Option(help=f"The {of}'s number: the same one {done} only once.")
