"""The commands, put together."""

from importlib import import_module
from importlib.util import find_spec
from typing import Annotated

import typer

from starter.cli import count_questions, cycle_count, inbox, product, replenishment, schedule, stack, stock
from starter.cli.context import read_input
from starter.cli.output import for_programs
from starter.cli.times import DATE_FORMAT, write_days_as
from stockkeeper.contracts.processes import PROCESSES

app = typer.Typer(
    name="stockkeeper",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="rich",
)


@app.callback()
def every_command(
    *,
    date_format: Annotated[
        str | None,
        typer.Option(
            metavar="DD.MM.YYYY",
            envvar=DATE_FORMAT,
            help="How days are typed and printed: DD, MM and YYYY in your order. ISO 8601 is read in any case.",
        ),
    ] = None,
) -> None:
    """Stock: on hand, reserved, on order and in transit, and why it changed."""
    for_programs.set(False)
    write_days_as(None)
    if date_format:
        read_input(lambda: write_days_as(date_format))


app.command()(stack.up)
app.command()(stack.demo)
app.command()(stack.setup)
count_questions.register(cycle_count.app)
for process in PROCESSES:
    # A process without a file here has its commands with another one: a plan's stand with those of reordering.
    if find_spec(module := f"starter.cli.{process.kind}"):
        import_module(module).register(app)
app.command("inbox")(inbox.inbox)
app.command("reorder")(replenishment.reorder)
app.add_typer(replenishment.plan_app, name="plan")
app.add_typer(product.app, name="product")
app.add_typer(schedule.app, name="schedule")
app.add_typer(stock.app, name="stock")
