"""`stockkeeper stock`: what there is."""

from typing import Annotated

import typer
from rich.markup import escape

from starter.cli.context import AsJson
from starter.cli.documents import ask_for
from starter.cli.output import err, out, print_json, table
from starter.stock import levels

app = typer.Typer(no_args_is_help=True, help="What there is.")


@app.callback()
def _questions() -> None:
    """Keeps `show` a command of its own, also while it is the only one."""


@app.command("show")
def show(
    product: Annotated[str | None, typer.Argument(metavar="[SKU]", help="Only this product.")] = None,
    *,
    warehouse: Annotated[str | None, typer.Option(help="Only this warehouse.")] = None,
    below: Annotated[bool, typer.Option("--below", help="Only what is below its reorder point.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many lines at most.")] = 1_000,
    as_json: AsJson = False,
) -> None:
    """Levels: on hand, reserved, available."""
    found = ask_for(
        lambda stock: levels(
            stock.client,
            product=product,
            warehouse=warehouse,
            below_reorder_point=below,
            task_queue=stock.task_queue,
        ),
        limit,
    )
    if as_json:
        print_json([level.model_dump(mode="json") for level in found])
        return
    out.print(
        table(
            ["sku", "product", "warehouse", "#on hand", "#reserved", "#available", "#reorder point"],
            [
                [
                    escape(level.sku),
                    escape(level.name),
                    escape(level.warehouse),
                    str(level.quantity_on_hand),
                    str(level.quantity_reserved),
                    str(level.quantity_available),
                    "" if level.reorder_point is None else str(level.reorder_point),
                ]
                for level in found
            ],
        )
    )
    if len(found) == limit:
        err.print(f"the first {limit}; --limit shows more")
