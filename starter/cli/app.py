"""The commands, put together."""

import typer

from starter.cli import (
    adjustment,
    audit,
    count_questions,
    customer_return,
    cycle_count,
    import_file,
    purchase_order,
    replenishment,
    reservation,
    stack,
    stock,
    transfer,
)

app = typer.Typer(
    name="stockkeeper",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="rich",
    help="Stock: what is on hand, what is promised, what is on its way, and why.",
)
app.command()(stack.up)
app.command()(stack.demo)
app.command()(stack.setup)
import_file.register(app)
app.add_typer(reservation.app, name="reserve")
app.add_typer(purchase_order.app, name="po")
app.add_typer(transfer.app, name="transfer")
count_questions.register(cycle_count.app)
app.add_typer(cycle_count.app, name="count")
app.add_typer(customer_return.app, name="return")
app.add_typer(adjustment.app, name="adjust")
app.command("reorder")(replenishment.reorder)
app.add_typer(replenishment.plan_app, name="plan")
app.add_typer(replenishment.schedule_app, name="schedule")
app.add_typer(stock.app, name="stock")
app.add_typer(audit.app, name="audit")
