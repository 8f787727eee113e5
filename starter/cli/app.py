"""The commands, put together."""

from importlib import import_module
from importlib.util import find_spec

import typer

from starter.cli import count_questions, cycle_count, replenishment, schedule, stack, stock
from stockkeeper.contracts.processes import PROCESSES

app = typer.Typer(
    name="stockkeeper",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="rich",
    help="Stock: on hand, reserved, on order and in transit, and why it changed.",
)
app.command()(stack.up)
app.command()(stack.demo)
app.command()(stack.setup)
count_questions.register(cycle_count.app)
for process in PROCESSES:
    # A process without a file here has its commands with another one: a plan's stand with those of reordering.
    if find_spec(module := f"starter.cli.{process.kind}"):
        import_module(module).register(app)
app.command("reorder")(replenishment.reorder)
app.add_typer(replenishment.plan_app, name="plan")
app.add_typer(schedule.app, name="schedule")
app.add_typer(stock.app, name="stock")
