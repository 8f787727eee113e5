"""What the command line prints, and where: answers on standard output, everything else on standard error."""

import json
import os
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from decimal import Decimal
from typing import Any

from pydantic import BaseModel
from rich.markup import escape

from starter.cli.screen import Grid, Screen
from stockkeeper.contracts.messages import amount as figures

out = Screen(highlight=False)
err = Screen(stderr=True, highlight=False)

for_programs: ContextVar[bool] = ContextVar("for_programs", default=False)
"""Whether the command was asked for JSON (``--json``): then a refusal is JSON as well."""

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
    "FAILING": "red",
    "PAUSED": "yellow",
    "ENDED": "dim",
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


def amount(value: Decimal) -> str:
    """An amount as people read it, with the currency of the settings: ``12,780.00 EUR``."""
    return escape(f"{figures(value)}{currency()}")


def currency() -> str:
    """A space and the currency of the settings; empty where none is set."""
    named = os.environ.get("STOCKKEEPER_CURRENCY", "").strip()
    return f" {named}" if named else ""


def _plain(value: object) -> str:
    return "" if value is None else escape(str(value))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None) -> Grid:
    """A table; a column whose name begins with ``#`` holds numbers. No key, number or instant in it is ever broken."""
    return Grid(columns, rows, title)


def print_json(value: BaseModel | Sequence[Any] | dict[str, Any]) -> None:
    """For programs: JSON as the wire has it, and nothing else."""
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    if out.is_terminal:
        out.print_json(json.dumps(plain))
    else:
        # The same without the colours, which take seconds for some thousands of lines; escaped where the encoding
        # hasn't got every letter.
        escaped = not (getattr(out.file, "encoding", None) or "utf-8").lower().startswith("utf")
        out.file.write(json.dumps(plain, indent=2, ensure_ascii=escaped) + "\n")
