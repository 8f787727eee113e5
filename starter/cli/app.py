"""The commands, put together."""

import os
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from starter.cli import (
    codec_server,
    console,
    count_questions,
    cycle_count,
    doctor,
    event,
    event_bridge,
    event_subscriber,
    inbox,
    label,
    lot,
    lot_recall,
    order_promising,
    plan_questions,
    product,
    replenishment,
    scan,
    schedule,
    stack,
    stock,
    views,
    warehouse,
)
from starter.cli.context import read_input
from starter.cli.output import for_programs, print_json
from starter.cli.times import DATE_FORMAT, write_days_as
from starter.secret_files import named_files, read_secret_files
from stockkeeper.contracts.processes import PROCESSES

_MISTYPED: type[Any] = typer.BadParameter.__bases__[0]
"""A command that is typed wrongly: an option that there isn't, or one that is missing."""


class Commands(TyperGroup):
    """The commands. Where JSON is asked for, one that is typed wrongly is refused in JSON as well."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See whether JSON is asked for, before anything can be wrong."""
        for_programs.set("--json" in args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except _MISTYPED as error:
            error.message = error.message.removeprefix("Value error, ")
            if for_programs.get():
                print_json({"error": "UsageError", "message": error.format_message(), "details": {}})
            raise


app = typer.Typer(
    name="stockkeeper",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="rich",
)


@app.callback()
def every_command(
    ctx: typer.Context,
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
    # The doctor looks at the files themselves; from here on only their contents are known.
    ctx.obj = named_files(os.environ)
    read_input(lambda: read_secret_files(os.environ))
    write_days_as(None)
    if date_format:
        read_input(lambda: write_days_as(date_format))


app.command()(stack.up)
app.command()(stack.demo)
app.command()(stack.setup)
app.command()(doctor.doctor)
count_questions.register(cycle_count.app)
plan_questions.register(replenishment.plan_app)
for process in PROCESSES:
    # A process without a file here has its commands with another one: a plan's stand with those of reordering.
    if find_spec(module := f"starter.cli.{process.kind}"):
        import_module(module).register(app)
app.command("inbox")(inbox.inbox)
app.command("label")(label.label)
app.command("views")(views.views)
app.command("scan")(scan.scan)
app.command("promise")(order_promising.promise)
app.command("codec-server")(codec_server.codec_server)
app.command("console")(console.console)
app.command("reorder")(replenishment.reorder)
event_bridge.register(event.app)
event_subscriber.register(event.app)
app.add_typer(event.app, name="events")
app.add_typer(lot.app, name="lot")
lot_recall.register(lot.app)
app.add_typer(replenishment.plan_app, name="plan")
app.add_typer(product.app, name="product")
app.add_typer(schedule.app, name="schedule")
app.add_typer(stock.app, name="stock")
app.add_typer(warehouse.app, name="warehouse")
