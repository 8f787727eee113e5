"""`stockkeeper product`: another SKU for a product, and those that it had."""

from typing import Annotated

import typer
from rich.markup import escape

from starter.cli import options
from starter.cli.context import connect, run
from starter.cli.output import out, print_json
from starter.cli.products import product_named
from starter.cli.times import to_the_second
from stockkeeper.contracts.product import ProductNames

app = typer.Typer(no_args_is_help=True, help="Products and their SKUs.")


@app.command("rename")
def rename(
    product: options.Sku,
    sku: Annotated[str, typer.Argument(metavar="NEW_SKU", help="Its new SKU.")],
    *,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Give a product another SKU. The one that it had still leads to it, in commands and files."""

    async def work() -> ProductNames:
        stock = await connect()
        return await stock.rename_product(await product_named(stock, product), sku, performed_by=performed_by)

    _show(run(work()), as_json=as_json)


@app.command("show")
def show(product: options.Sku, *, as_json: options.AsJson = False) -> None:
    """Show a product's SKU, and those that it had."""

    async def work() -> ProductNames:
        stock = await connect()
        return await stock.product_names(await product_named(stock, product))

    _show(run(work()), as_json=as_json)


def _show(names: ProductNames, *, as_json: bool) -> None:
    if as_json:
        print_json(names)
        return
    out.print(f"[bold]{escape(names.sku)}[/bold]: {escape(names.name)}")
    for line in former(names):
        out.print(line)


def former(names: ProductNames) -> list[str]:
    """A line for each SKU that the product had, the latest first."""
    return [
        f"was {escape(each.sku)} until {to_the_second(each.renamed_at)}, renamed by {escape(each.renamed_by)}"
        for each in names.former_skus
    ]
