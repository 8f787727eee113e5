"""`stockkeeper product`: products by parts of their names, another SKU for one, and those that it had."""

from typing import Annotated

import typer
from rich.markup import escape

from starter.cli import options, printing
from starter.cli.context import connect, run
from starter.cli.output import err, out, print_json
from starter.cli.products import product_named
from starter.cli.times import to_the_second
from stockkeeper.contracts.barcode import ForgottenBarcode
from stockkeeper.contracts.product import PRODUCTS_FOUND_AT_ONCE, ProductNames, ProductsFound
from stockkeeper.contracts.stock import FoundItems

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
    """Show a product's SKU, those that it had, what it is counted in, its packs and its barcodes."""

    async def work() -> tuple[ProductNames, FoundItems, FoundItems]:
        stock = await connect()
        names = await stock.product_names(await product_named(stock, product))
        found = await printing.units_found(stock, [names.product_id], as_json=as_json)
        makers = {each.supplier_id for each in found.packs.get(names.product_id, ()) if each.supplier_id}
        return names, found, await stock.names(supplier_ids=makers) if makers else found

    names, found, suppliers = run(work())
    _show(names, as_json=as_json)
    if not as_json:
        _show_units(names.product_id, found, suppliers)


def _show_units(product_id: int, found: FoundItems, suppliers: FoundItems) -> None:
    if product_id in found.base_units:
        out.print(f"counted in {found.units_of(product_id).counted_in}")
    for pack in found.packs.get(product_id, ()):
        if not pack.is_by_barcode:
            of = f", of {printing.supplier(suppliers, pack.supplier_id)}" if pack.supplier_id else ""
            out.print(f"a {escape(pack.name)} has {pack.quantity:,}{of}")


@app.command("search")
def search(
    words: Annotated[
        list[str], typer.Argument(metavar="TEXT", help="Words that begin words of the SKU or the name; or a barcode.")
    ],
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, max=PRODUCTS_FOUND_AT_ONCE, help="How many at most.")] = 25,
    as_json: options.AsJson = False,
) -> None:
    """Find products by parts of their SKU or name, in any order and in any case."""

    async def work() -> ProductsFound:
        return await (await connect()).search_products(" ".join(words), limit=limit)

    found = run(work())
    printing.print_rows(
        found.products,
        ["sku", "product", ""],
        lambda each: [escape(each.sku), escape(each.name), "" if each.is_active else "not for new orders"],
        none="no product has these words in its SKU or name",
        as_json=as_json,
    )
    if found.more and not as_json:
        err.print(f"the first {limit}; --limit shows more, and so do more words")


@app.command("forget-barcode")
def forget_barcode(
    barcode: Annotated[str, typer.Argument(metavar="BARCODE", help="The barcode: digits, or an own code.")],
    *,
    performed_by: options.PerformedBy,
    as_json: options.AsJson = False,
) -> None:
    """Take a barcode away from its product. It may be given to another one then."""

    async def work() -> ForgottenBarcode:
        return await (await connect()).forget_barcode(barcode, performed_by=performed_by)

    gone = run(work())
    if as_json:
        print_json(gone)
    else:
        what = f"{gone.quantity:,} x [bold]{escape(gone.sku)}[/bold] ({escape(gone.unit)})"
        out.print(f"{escape(gone.barcode)} doesn't mean {what} any more")


def _show(names: ProductNames, *, as_json: bool) -> None:
    if as_json:
        print_json(names)
        return
    out.print(f"[bold]{escape(names.sku)}[/bold]: {escape(names.name)}")
    for line in former(names):
        out.print(line)
    for each in names.barcodes:
        out.print(f"{escape(each.barcode)}: {escape(each.unit)}, {each.quantity:,}")


def former(names: ProductNames) -> list[str]:
    """A line for each SKU that the product had, the latest first."""
    return [
        f"was {escape(each.sku)} until {to_the_second(each.renamed_at)}, renamed by {escape(each.renamed_by)}"
        for each in names.former_skus
    ]
