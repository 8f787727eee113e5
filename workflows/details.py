"""What a run shows to the person who looks at it in the Temporal UI: a few lines of Markdown."""

from collections.abc import Iterable, Sequence

_ROWS_SHOWN = 20
_NOTES_SHOWN = 5


def details(status: str, told: str, table: Sequence[str], notes: Sequence[str]) -> str:
    """Where the run stands and what comes next, a small table, and the latest notes."""
    return "\n".join([f"**{status}** · {told}", "", *table, "", *(f"- {note}" for note in notes[-_NOTES_SHOWN:])])


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A table of at most twenty rows; a column whose name begins with ``#`` holds numbers. No rows, no table."""
    listed = list(rows)
    if not listed:
        return []
    lines = [
        _row(column.removeprefix("#") for column in columns),
        "|" + "|".join("---:" if column.startswith("#") else "---" for column in columns) + "|",
        *(_row(row) for row in listed[:_ROWS_SHOWN]),
    ]
    if len(listed) > _ROWS_SHOWN:
        lines.append(_row([f"and {len(listed) - _ROWS_SHOWN} more", *("" for _ in columns[1:])]))
    return lines


def _row(cells: Iterable[object]) -> str:
    # The UI sets a table without any space between its columns.
    return "|" + "|".join(f"{_escaped(str(cell))}\u2003" for cell in cells) + "|"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|")
