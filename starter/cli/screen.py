"""The screen: whole keys and instants at any width, no limit of width off a terminal, and only letters that print."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleDimensions, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

UNLIMITED = 100_000
"""Columns off a terminal: a pipe or a file has no edge at which a word would have to be broken."""
REPLACED = "\N{REPLACEMENT CHARACTER}"
_BETWEEN = 2
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?( [A-Z]{1,5}\b| [+-]\d\d(\d\d)?)?")
_TIME = re.compile(r"\b\d\d:\d\d(:\d\d)?( [A-Z]{1,5}\b| [+-]\d\d(\d\d)?)")
_AMOUNT = re.compile(r"\d+(,\d{3})*(\.\d+)? [A-Z]{3}\b")


class Screen(Console):
    """A console that breaks no line off a terminal, and prints no control character that a name may contain."""

    @property
    def size(self) -> ConsoleDimensions:
        """The terminal's size; off a terminal no limit of width."""
        found = super().size
        return found if self.is_terminal or self._width is not None else ConsoleDimensions(UNLIMITED, found.height)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self.width, self.height = new_size

    def sentence(self, text: str, *, style: str | None = None) -> None:
        """Print a sentence: broken between words on a terminal, and off it one line, also where a width is set."""
        self.print(text, style=style, soft_wrap=not self.is_terminal)

    def render_str(self, text: str, **options: Any) -> Text:
        """The text with its markup, without control characters."""
        return super().render_str(printable(text), **options)


def printable(text: str) -> str:
    """A text in which letters that no terminal shows, or that would command it, are replaced; lines stay lines."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(REPLACED if _commands_terminals(letter) else letter for letter in text)


@cache
def _commands_terminals(letter: str) -> bool:
    # Control characters, half characters, and marks that turn the direction of what follows.
    if letter == "\n":
        return False
    return unicodedata.category(letter) in {"Cc", "Cs"} or unicodedata.bidirectional(letter) in {
        *("LRE", "RLE", "LRO", "RLO", "PDF"),
        *("LRI", "RLI", "FSI", "PDI"),
    }


class Grid:
    """Rows under a head, in which no word and no instant is broken.

    Where the screen is too narrow for that, the time of an instant stands below its day; and where it is still too
    narrow, each row is a block with a line for each of its cells.

    Args:
        columns: The names of the columns; one that begins with ``#`` holds numbers.
        rows: The cells, with markup.
        title: A line above.
    """

    def __init__(self, columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None) -> None:
        self._columns = [column.removeprefix("#") for column in columns]
        self._numbers = [column.startswith("#") for column in columns]
        self._rows = [list(row) for row in rows]
        self._title = title

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As a table, or else as blocks."""
        if self._title:
            yield console.render_str(f"[bold]{self._title}[/bold]", highlight=False)
        for cells in (self._rows, [[_stacked(cell) for cell in row] for row in self._rows]):
            rows = [[console.render_str(cell, highlight=False) for cell in row] for row in cells]
            if widths := self._widths(rows, options.max_width):
                yield self._table(rows, widths)
                return
        yield from self._blocks([[console.render_str(cell, highlight=False) for cell in row] for row in self._rows])

    def _widths(self, rows: Sequence[Sequence[Text]], most: int) -> list[int] | None:
        """The width of each column, or None where there is no room for a whole word of each."""
        columns = [[Text(name), *(row[place] for row in rows)] for place, name in enumerate(self._columns)]
        least = [max(_longest_word(cell.plain) for cell in column) for column in columns]
        widest = [max(_longest_line(cell.plain) for cell in column) for column in columns]
        room = most - _BETWEEN * (len(columns) - 1)
        if sum(widest) <= room:
            return widest
        if sum(least) > room:
            return None
        widths = list(least)
        for _ in range(room - sum(least)):
            # The column that would be broken into the most lines gets the next letter.
            place = max(range(len(widths)), key=lambda at: (widest[at] - widths[at]) / max(widths[at], 1))
            widths[place] += 1
        return widths

    def _table(self, rows: Sequence[Sequence[Text]], widths: Sequence[int]) -> Table:
        made = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        for name, is_number, width in zip(self._columns, self._numbers, widths, strict=True):
            made.add_column(name, justify="right" if is_number else "left", width=width, overflow="fold")
        for row in rows:
            made.add_row(*row)
        return made

    def _blocks(self, rows: Sequence[Sequence[Text]]) -> RenderResult:
        for row in rows:
            yield Text()
            block = Table.grid(padding=(0, _BETWEEN, 0, 0))
            block.add_column(width=max(cell_len(name) for name in self._columns), style="bold")
            # What takes several lines stays beside its name.
            block.add_column(overflow="fold")
            for name, cell in zip(self._columns, row, strict=True):
                if cell.plain:
                    block.add_row(name, cell)
            yield block
        yield Text()


def _stacked(cell: str) -> str:
    """A cell whose instants stand in two lines: the day, and the time with its zone."""
    return _INSTANT.sub(lambda found: found[0].replace(" ", "\n", 1), cell)


def _longest_word(text: str) -> int:
    # An instant is one word, and so are a time with its zone and an amount with its currency.
    together = text
    for whole in (_INSTANT, _TIME, _AMOUNT):
        together = whole.sub(lambda found: found[0].replace(" ", "_"), together)
    return max((cell_len(word) for word in together.split()), default=0)


def _longest_line(text: str) -> int:
    return max((cell_len(line) for line in text.split("\n")), default=0)
