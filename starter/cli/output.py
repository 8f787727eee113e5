"""What the command line prints, and where: answers on standard output, everything else on standard error."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

_COLOURS = {
    "DRAFT": "yellow",
    "SUBMITTED": "blue",
    "CONFIRMED": "cyan",
    "RECEIVED": "green",
    "PENDING": "yellow",
    "RUNNING": "yellow",
    "DONE": "green",
    "IN_TRANSIT": "blue",
    "COUNTING": "yellow",
    "REVIEW": "magenta",
    "POSTED": "green",
    "EXPECTED": "yellow",
    "INSPECTED": "green",
    "ACTIVE": "green",
    "WAITING": "yellow",
    "FULFILLED": "cyan",
    "CANCELLED": "dim",
    "EXPIRED": "yellow",
    "REJECTED": "red",
    "IMPORTED": "green",
    "REFUSED": "red",
    "OPEN": "red",
    "GONE": "dim",
    "REPAIRED": "green",
    "ACCEPTED": "cyan",
}


def coloured(status: str) -> str:
    """A status as people find it fastest."""
    colour = _COLOURS.get(status)
    return f"[{colour}]{status}[/{colour}]" if colour else escape(status)


def changed(before: object, after: object) -> str:
    """A value, after the earlier one if that differs: ``0 → 45``. None is shown as ``none``, or empty if unchanged."""
    now = _plain(after)
    return now if before == after else f"[dim]{_plain(before) or 'none'} →[/dim] [bold]{now or 'none'}[/bold]"


def changed_status(before: str | None, after: str) -> str:
    """The same for a status; None before: it has only just begun."""
    return coloured(after) if before in (None, after) else f"[dim]{before} →[/dim] {coloured(after)}"


def _plain(value: object) -> str:
    return "" if value is None else escape(str(value))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None) -> Table:
    """A table; a column whose name begins with ``#`` holds numbers, and one in UTC holds instants, in a line each."""
    made = Table(box=SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", pad_edge=False)
    for column in columns:
        made.add_column(
            column.removeprefix("#"),
            justify="right" if column.startswith("#") else "left",
            no_wrap=column.endswith("(UTC)"),
        )
    for row in rows:
        made.add_row(*row)
    return made


def print_json(value: BaseModel | Sequence[Any] | dict[str, Any]) -> None:
    """For programs: JSON as the wire has it, and nothing else."""
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    if out.is_terminal:
        out.print_json(json.dumps(plain))
    else:
        # The same without the colours, which take seconds for some thousands of lines.
        out.file.write(json.dumps(plain, indent=2, ensure_ascii=False) + "\n")
