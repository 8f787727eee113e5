"""Files of demand: imported whole or not at all, as the contract says."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Json = Any
KIND = "ImportWorkflow"


class Day(NamedTuple):
    """A product's day in a warehouse."""

    product_id: int
    warehouse_id: int
    day: str


@dataclass
class File:
    """A file, and what has become of it.

    Attributes:
        digest: Its name on the wire.
        rows: Units by day, in the order of the lines.
        status: Of its latest run.
    """

    digest: str
    rows: dict[Day, int]
    status: str = "LOADING"

    @property
    def workflow_id(self) -> str:
        """Its workflow's id."""
        return f"import-demand-{self.digest}"


@dataclass
class Demand:
    """What was sold in an earlier system, by the files that were imported."""

    units: dict[Day, int] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)

    def imported(self, file: File) -> Json:
        """The file takes effect: the numbers of its rows."""
        before = [self.units.get(day) for day in file.rows]
        counts = {
            "inserted": sum(units is None for units in before),
            "updated": sum(had not in (None, units) for had, units in zip(before, file.rows.values(), strict=True)),
        }
        self.units |= file.rows
        file.status = "IMPORTED"
        unchanged = len(file.rows) - sum(counts.values())
        return {"status": "IMPORTED", **counts, "unchanged": unchanged, "errors_total": 0}


def pages_of(file: File, size: int) -> list[list[Json]]:
    """The rows as they go over the wire, in pages: the line in the file, and the cells as text."""
    lines = [[line, [str(cell) for cell in (*day, units)]] for line, (day, units) in enumerate(file.rows.items(), 2)]
    return [lines[first : first + size] for first in range(0, len(lines), size)]


def loading(pages: Sequence[Sequence[Json]]) -> Json:
    """The state while these pages are there."""
    return {"status": "LOADING", "pages": len(pages), "rows": sum(len(page) for page in pages)}
