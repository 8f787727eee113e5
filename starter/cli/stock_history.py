"""`stockkeeper stock history`: an item's movements, and the run behind each."""

from rich.markup import escape

from starter.cli import options, printing
from starter.cli.context import connect, run, ui_url
from starter.cli.links import linked, run_url
from starter.cli.output import err, out, print_json, table
from starter.cli.products import product_named
from starter.cli.times import instant_or_none, to_the_second
from stockkeeper.contracts.ledger import Movement

Linked = tuple[Movement, str | None]
"""A movement, and the address of its run in the Temporal UI; None: unknown."""


def history(
    product: options.Sku,
    *,
    warehouse: options.Warehouse,
    since: options.Since = None,
    until: options.Until = None,
    limit: options.Latest = 50,
    as_json: options.AsJson = False,
) -> None:
    """List an item's movements, the latest first: units, balance, actor, reason and workflow run.

    A workflow's name links to its run in the Temporal UI, in terminals that have links; STOCKKEEPER_UI_URL is the UI's
    address.
    """

    async def work() -> list[Linked]:
        begin, end = instant_or_none(since, "--since"), instant_or_none(until, "--until")
        stock = await connect()
        found = stock.history(await product_named(stock, product), warehouse, since=begin, until=end)
        ui, namespace = ui_url(), stock.client.namespace
        return [
            (each, run_url(ui, namespace, each.workflow_id, each.run_id))
            for each in await printing.first_of(found, limit)
        ]

    rows = run(work())
    if as_json:
        print_json([each.model_dump(mode="json") | {"run_url": url} for each, url in rows])
        return
    out.print(
        table(
            ["at (UTC)", "movement", "#units", "#on hand", "of", "by", "why", "workflow"],
            [_cells(each, url) for each, url in rows],
        )
    )
    if len(rows) == limit:
        err.print(f"the latest {limit}; --limit shows more")


def _cells(movement: Movement, url: str | None) -> list[str]:
    return [
        to_the_second(movement.created_at),
        movement.movement_type,
        f"{movement.quantity:+}",
        str(movement.balance_after),
        escape(movement.reference_id),
        escape(movement.performed_by),
        escape(movement.reason),
        linked(movement.workflow_id, url),
    ]
