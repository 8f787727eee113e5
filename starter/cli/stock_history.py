"""`stockkeeper stock history`: why an item changed, and which run changed it."""

from typing import Annotated

import typer
from rich.markup import escape

from starter.cli.context import AsJson, connect, run, ui_url
from starter.cli.documents import first_of
from starter.cli.links import linked, run_url
from starter.cli.output import err, out, print_json, table
from starter.cli.times import TIME_HELP, instant_or_none, to_the_second
from stockkeeper.client.ledger import history as movements_of
from stockkeeper.contracts.ledger import Movement

Linked = tuple[Movement, str | None]
"""A movement, and where its run is shown; None: nobody knows."""


def history(
    product: Annotated[str, typer.Argument(metavar="SKU", help="The product.")],
    *,
    warehouse: Annotated[str, typer.Option(help="The warehouse.")],
    since: Annotated[str | None, typer.Option(metavar="TIME", help=f"From then on: {TIME_HELP}")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Until just before then.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, latest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """An item's movements, the latest first: how many, what was left, who, why, and by which workflow run.

    A workflow's name leads to its run in the Temporal UI, in terminals that have links; STOCKKEEPER_UI_URL says where
    that is.
    """

    async def work() -> list[Linked]:
        begin, end = instant_or_none(since, "--since"), instant_or_none(until, "--until")
        stock = await connect()
        found = movements_of(stock.client, product, warehouse, since=begin, until=end, task_queue=stock.task_queue)
        ui, namespace = ui_url(), stock.client.namespace
        return [(each, run_url(ui, namespace, each.workflow_id, each.run_id)) for each in await first_of(found, limit)]

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
