"""What is printed fits the screen without breaking a word, and nothing in a name commands a terminal."""

import io
import json
from itertools import pairwise

import pytest
from rich.markup import escape

from starter.cli.output import table
from starter.cli.screen import Screen, printable

COLUMNS = ["sku", "product", "warehouse", "#on hand", "#reserved", "since"]
ROW = ["TEA-100", "Assam tea, second flush, whole leaf", "Hamburg Main", "1200", "10", "2026-11-29 14:30:05 CET"]
LONG = ["TEA-100-SECOND-FLUSH-WHOLE-LEAF-1000", *ROW[1:]]


def printed(row: list[str], *, width: int | None) -> list[str]:
    file = io.StringIO()
    Screen(file=file, width=width, highlight=False).print(table(COLUMNS, [[escape(cell) for cell in row]] * 2))
    return file.getvalue().splitlines()


def test_at_80_columns_a_cell_is_broken_between_words_and_no_key_or_instant_is() -> None:
    lines = printed(ROW, width=80)
    assert max(len(line.rstrip()) for line in lines) <= 80
    first = next(line for line in lines if "TEA-100" in line)
    assert ROW[5] in first
    assert "Assam" in first
    assert "Assam tea, second flush, whole leaf" not in first


def test_before_a_row_becomes_a_block_the_time_stands_below_the_day() -> None:
    row = ["TEA-100-SECOND-FLUSH", "tea", "Hamburg", "1200", "10", ROW[5]]
    lines = printed(row, width=72)
    assert [line.split()[-1] for line in lines if "2026-11-29" in line] == ["2026-11-29", "2026-11-29"]
    assert [line.strip() for line in lines if "14:30" in line] == ["14:30:05 CET", "14:30:05 CET"]


@pytest.mark.parametrize("width", [71, 48])
def test_where_words_do_not_fit_side_by_side_each_row_is_a_block(width: int) -> None:
    block = [f"{name.strip('#'):<9}  {cell}".rstrip() for name, cell in zip(COLUMNS, LONG, strict=True)]
    assert [line.rstrip() for line in printed(LONG, width=width)] == ["", *block, "", *block, ""]


def test_what_takes_several_lines_of_a_block_stays_beside_its_name() -> None:
    file = io.StringIO()
    long = "STOCKKEEPER_SUPPLIER_NOTICE_URLS_OF_ALL_WORKERS"
    row = ["notices", "nothing is set up by which suppliers get mail, so they have to be told", long]
    Screen(file=file, width=60, highlight=False).print(table(["check", "found", "set"], [row]))
    assert [line.rstrip() for line in file.getvalue().splitlines()] == [
        "",
        "check  notices",
        "found  nothing is set up by which suppliers get mail, so",
        "       they have to be told",
        f"set    {long}",
        "",
    ]


def test_off_a_terminal_a_row_is_one_line_however_long(monkeypatch: pytest.MonkeyPatch) -> None:
    # Whoever sets it asks for a width; pytest does where it runs in several processes.
    monkeypatch.delenv("COLUMNS", raising=False)
    _, _, first, second = printed([*LONG[:1], "a word " * 100, *LONG[2:]], width=None)
    assert first == second
    assert " ".join(first.split()).startswith(f"{LONG[0]} a word a word")
    assert first.rstrip().endswith(ROW[5])


@pytest.mark.parametrize("length", range(1, 60, 7))
def test_every_word_is_whole_at_every_width(length: int) -> None:
    row = ["x" * length, "y" * length, "z" * length, "1", "2", ROW[5]]
    for width in range(max(length, 23) + 11, 220, 13):
        lines = printed(row, width=width)
        for word in (*row[:3], *ROW[5].split(" ", 1)):
            assert sum(word in line for line in lines) >= 2, (width, lines)
        assert max(len(line.rstrip()) for line in lines) <= width


def test_a_sentence_is_broken_between_words_on_a_terminal_and_nowhere_off_it() -> None:
    said = "InvalidRequest: " + "the order is too long for this line, " * 3
    on, off = io.StringIO(), io.StringIO()
    Screen(file=on, width=40, force_terminal=True, color_system=None).sentence(said)
    Screen(file=off, width=40).sentence(said)
    assert off.getvalue() == f"{said}\n"
    lines = on.getvalue().splitlines()
    assert [len(line) <= 40 for line in lines] == [True] * 4
    assert " ".join(line.strip() for line in lines) == said.strip()


def test_letters_that_no_terminal_shows_are_replaced() -> None:
    harmful = "TEA\x1b[2J\x07\u202e\x9b\ud800 100\ttab"
    assert printable(harmful) == "TEA\ufffd[2J\ufffd\ufffd\ufffd\ufffd 100\ufffdtab"
    assert printable("Müller & 子供, ₤ ẞ\nnext") == "Müller & 子供, ₤ ẞ\nnext"
    assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set("".join(printed([harmful, *ROW[1:]], width=None)))


def test_an_encoding_without_umlauts_gets_json_that_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    from starter.cli import output  # noqa: PLC0415

    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    monkeypatch.setattr(output, "out", Screen(file=stream))
    output.print_json([{"name": "Müller"}])
    stream.flush()
    assert json.loads(raw.getvalue()) == [{"name": "Müller"}]


def test_numbers_stand_to_the_right() -> None:
    head, _, row, _ = printed(ROW, width=200)
    for name, cell in (("on hand", "1200"), ("reserved", "10")):
        assert head.index(name) + len(name) == row.index(f" {cell} ") + len(cell) + 1
    assert all(first <= second for first, second in pairwise([head.index(name.strip("#")) for name in COLUMNS]))
