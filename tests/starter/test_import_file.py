"""Reading a file: what is right comes out as it was written, and what is wrong is named by its line."""

import csv
import io
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stockkeeper.client.csv_files import CsvFile, read_csv
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.import_file import (
    MAX_PAGE_BYTES,
    MAX_PAGE_ROWS,
    ImportKind,
    encode_row,
    pack_rows,
    unpack_rows,
)
from stockkeeper.contracts.import_rows import StockRow, read_rows, rows_as_json
from stockkeeper.contracts.messages import MAX_UNITS
from stockkeeper.domain.import_file import COLUMNS, BadRow
from tests.support.import_file import Problem, problems_of

SUPPLIERS = ImportKind.SUPPLIERS


def _read(directory: Path, kind: ImportKind, content: str | bytes) -> CsvFile:
    path = directory / "file.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_csv(kind, path)


def _wrong(directory: Path, kind: str, content: str | bytes) -> list[Problem]:
    with pytest.raises(InvalidRequest) as caught:
        _read(directory, ImportKind(kind), content)
    return problems_of(caught.value)


def _rows(file: CsvFile) -> list[tuple[int, list[str]]]:
    return [row for page in file.pages for row in unpack_rows(page.packed)]


def test_rows_keep_the_lines_that_they_begin_on(tmp_path: Path) -> None:
    content = 'name,email\r\nA,a@x.at\r\n\r\n"B ""&"" C", \r\n,\r\nD,d@x.at'
    file = _read(tmp_path, SUPPLIERS, content)
    assert file.columns == ["name", "email"]
    assert _rows(file) == [(2, ["A", "a@x.at"]), (4, ['B "&" C', ""]), (6, ["D", "d@x.at"])]
    assert file.rows == 3


def test_a_line_break_in_quotes_counts_as_a_line(tmp_path: Path) -> None:
    assert _wrong(tmp_path, "products", 'sku,name\nA,"two\nlines"\nB,\n') == [
        (2, "name", "must not contain control characters or line breaks"),
        (4, "name", "needs a value"),
    ]


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    assert _read(tmp_path, SUPPLIERS, b"\xef\xbb\xbfname\nGr\xc3\xbc\xc3\x9fe\n").columns == ["name"]


def test_the_digest_is_that_of_kind_and_content(tmp_path: Path) -> None:
    content = "name\nA\n"
    digest = _read(tmp_path, SUPPLIERS, content).digest
    assert digest == _read(tmp_path, SUPPLIERS, content).digest
    assert digest != _read(tmp_path, SUPPLIERS, content + "\n").digest
    assert digest != _read(tmp_path, ImportKind.WAREHOUSES, content).digest


def test_a_long_file_comes_in_several_pages_in_order(tmp_path: Path) -> None:
    names = [f"{number}-{'x' * 150}" for number in range(10_000)]
    file = _read(tmp_path, SUPPLIERS, "name\n" + "\n".join(names))
    assert len(file.pages) > 2
    assert [cells for _, cells in _rows(file)] == [[name] for name in names]


def test_a_page_never_has_too_many_rows(tmp_path: Path) -> None:
    file = _read(tmp_path, SUPPLIERS, "name\n" + "".join(f"{number}\n" for number in range(MAX_PAGE_ROWS + 1)))
    assert [page.rows for page in file.pages] == [MAX_PAGE_ROWS, 1]


@pytest.mark.parametrize(
    ("kind", "content", "wrong"),
    [
        ("suppliers", "", (1, None, "the file is empty: it needs a header and rows")),
        ("suppliers", "\n\n", (1, None, "the file is empty: it needs a header and rows")),
        ("suppliers", "name\n\n", (1, None, "there are no rows below the header")),
        ("suppliers", "name\nA\nB,b\n", (3, None, "has 2 cells, the header has 1")),
        (
            "suppliers",
            b"name\nA\nGr\x81\xdfe\n",
            (3, None, "isn't text in UTF-8, UTF-16 or Windows-1252: save the file as CSV in UTF-8"),
        ),
        ("suppliers", 'name\nA\n"B" C\n', (3, None, "isn't CSV: ',' expected after '\"'")),
        ("suppliers", 'name\nA\n"B\nC\n', (3, None, "isn't CSV: unexpected end of data")),
        ("suppliers", f"name\n{'x' * 200_000}\n", (2, None, "isn't CSV: field larger than field limit (131072)")),
        ("suppliers", f"name\n{'x' * 201}\n", (2, "name", "string should have at most 200 characters")),
        ("suppliers", "name,email\nA,nobody\n", (2, "email", "must be a mail address")),
        (
            "suppliers",
            "name,email\nA,müller@example.com\n",
            (2, "email", "must be a mail address with only a to z before the @; few servers take other letters"),
        ),
        ("suppliers", "name,supplier_id\nA,0\n", (2, "supplier_id", "input should be greater than 0")),
        ("suppliers", "name\nA\x00B\n", (2, "name", "must not contain control characters or line breaks")),
        (
            "warehouses",
            "name,timezone\nA,Mars\n",
            (2, "timezone", "must be a timezone's IANA name, such as Europe/Vienna"),
        ),
        ("products", "sku,unit_cost\nA,1e3\n", (2, "unit_cost", "must be a decimal number, such as 12.50")),
        ("products", "sku,unit_cost\nA,NaN\n", (2, "unit_cost", "must be a decimal number, such as 12.50")),
        ("products", "sku,unit_cost\nA,-1\n", (2, "unit_cost", "input should be greater than or equal to 0")),
        (
            "products",
            "sku,unit_cost\nA,0.1234567\n",
            (2, "unit_cost", "decimal input should have no more than 6 decimal places"),
        ),
        ("products", "sku,is_active\nA,maybe\n", (2, "is_active", "must be true or false, yes or no, 1 or 0")),
        ("products", "sku,is_active\nA,\n", (2, "is_active", "needs a value")),
        (
            "products",
            "sku,dimensions_cm\nA,30x20\n",
            (2, "dimensions_cm", 'must be JSON, such as {"length": 30, "width": 20}'),
        ),
        (
            "products",
            "sku,dimensions_cm\nA,30\n",
            (2, "dimensions_cm", 'must be a JSON object, such as {"length": 30, "width": 20}'),
        ),
        ("stock", "sku,warehouse,quantity\nA,B,1.5\n", (2, "quantity", "must be a whole number, such as 12")),
        ("stock", "sku,warehouse,quantity\nA,B,\n", (2, "quantity", "needs a value")),
        ("stock", "sku,warehouse,quantity\nA,B,-1\n", (2, "quantity", "input should be greater than or equal to 0")),
        (
            "stock",
            "sku,warehouse,quantity\nA,B,1000000001\n",
            (2, "quantity", "input should be less than or equal to 1000000000"),
        ),
        ("stock", "sku,warehouse,quantity\nA,B,\u0663\n", (2, "quantity", "must be a whole number, such as 12")),
        ("demand", "sku,warehouse,day,quantity\nA,B,1.2.2026,1\n", (2, "day", "must be a day, such as 2026-11-23")),
        ("demand", "sku,warehouse,day,quantity\nA,B,2026-02-30,1\n", (2, "day", "there is no such day")),
        (
            "product-suppliers",
            "sku,supplier,pack_size\nA,B,0\n",
            (2, "pack_size", "input should be greater than 0"),
        ),
    ],
)
def test_what_is_wrong_is_named_by_line_and_column(
    tmp_path: Path, kind: str, content: str | bytes, wrong: Problem
) -> None:
    assert _wrong(tmp_path, kind, content) == [wrong]


def test_of_many_bad_rows_the_first_ten_are_named(tmp_path: Path) -> None:
    rows = "".join(f"S{number},W,{'x' if number % 2 else number}\n" for number in range(5_000))
    with pytest.raises(InvalidRequest) as caught:
        _read(tmp_path, ImportKind.STOCK, "sku,warehouse,quantity\n" + rows)
    assert [line for line, _, _ in problems_of(caught.value)] == list(range(3, 23, 2))
    assert caught.value.details["errors_total"] == 2_500


def test_a_file_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="No such file"):
        read_csv(SUPPLIERS, tmp_path / "nothing.csv")


CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=20).map(str.strip)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(CELLS.filter(bool), min_size=1, max_size=30), ending=st.sampled_from(["\n", "\r\n"]))
def test_what_was_written_is_read_again(tmp_path: Path, names: list[str], ending: str) -> None:
    written = io.StringIO()
    writer = csv.writer(written, lineterminator=ending)
    writer.writerows([["name", "supplier_id"], *([name, index] for index, name in enumerate(names, 1))])
    rows = _rows(_read(tmp_path, SUPPLIERS, written.getvalue()))
    assert rows == [(index + 1, [name, str(index)]) for index, name in enumerate(names, 1)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300) | st.text('a,"\n\r\x00ü1-.{} ', max_size=60).map(lambda text: text.encode()))
def test_whatever_the_file_is_the_answer_is_clear(tmp_path: Path, content: bytes) -> None:
    problems: list[Problem] = []
    try:
        _read(tmp_path, SUPPLIERS, b"name\n" + content)
    except InvalidRequest as refusal:
        problems = problems_of(refusal)
    assert all(line >= 1 and message for line, _, message in problems)


CELL_TEXT = st.text(max_size=30) | st.from_regex(r"-?[0-9]{0,12}(\.[0-9]{0,8})?", fullmatch=True)


@given(kind=st.sampled_from(ImportKind), data=st.data())
def test_any_cells_make_a_row_or_a_bad_row(kind: ImportKind, data: st.DataObject) -> None:
    columns = COLUMNS[kind].known
    cells = [data.draw(CELL_TEXT) for _ in columns]
    rows, bad = read_rows(kind, columns, [(7, cells)])
    assert len(rows) == (0 if bad else 1)
    assert all(each.line == 7 and each.column in columns for each in bad)
    assert rows_as_json(kind, rows).decode("utf-8")


@given(quantity=st.integers(-10, 2 * MAX_UNITS))
def test_a_quantity_is_taken_exactly_within_its_bounds(quantity: int) -> None:
    rows, bad = read_rows(ImportKind.STOCK, ["sku", "warehouse", "quantity"], [(2, ["A", "B", str(quantity)])])
    if 0 <= quantity <= MAX_UNITS:
        assert rows == [StockRow.model_construct(line=2, sku="A", warehouse="B", quantity=quantity)]
    else:
        assert [(each.line, each.column) for each in bad] == [(2, "quantity")]


@given(cost=st.decimals(0, 999_999_999_999, places=6, allow_nan=False, allow_infinity=False))
def test_money_stays_exact_to_the_last_place(cost: Decimal) -> None:
    rows, _ = read_rows(ImportKind.PRODUCTS, ["sku", "unit_cost"], [(2, ["A", f"{cost:f}"])])
    assert rows_as_json(ImportKind.PRODUCTS, rows).decode() == f'[{{"line":2,"sku":"A","unit_cost":"{cost:f}"}}]'


@pytest.mark.parametrize(
    ("word", "value"), [("true", "true"), ("YES", "true"), ("1", "true"), ("No", "false"), ("0", "false")]
)
def test_yes_and_no_have_several_words(word: str, value: str) -> None:
    rows, _ = read_rows(ImportKind.PRODUCTS, ["sku", "is_active"], [(2, ["A", word])])
    assert f'"is_active":{value}' in rows_as_json(ImportKind.PRODUCTS, rows).decode()


def test_an_empty_cell_is_null_and_a_missing_column_nothing() -> None:
    rows, _ = read_rows(ImportKind.PRODUCTS, ["sku", "description"], [(2, [" A ", " "])])
    assert rows_as_json(ImportKind.PRODUCTS, rows) == b'[{"line":2,"sku":"A","description":null}]'


def test_a_page_is_not_unpacked_beyond_its_limit() -> None:
    fits = encode_row(2, ["x" * (MAX_PAGE_BYTES - 20)])
    assert len(unpack_rows(pack_rows([fits]))) == 1
    with pytest.raises(InvalidRequest, match="at most"):
        unpack_rows(pack_rows([encode_row(2, ["x" * MAX_PAGE_BYTES])]))


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [b"{}"],
        [b"[2]"],
        [b'["2",["a"]]'],
        [b"[2,[1]]"],
        [b"[2,null]"],
        [b"[" * 5_000],
        [b"]"],
        [b"[2,[]]"] * 20_001,
    ],
)
def test_a_page_of_something_else_is_refused(rows: list[bytes]) -> None:
    with pytest.raises(InvalidRequest, match="must be a JSON list"):
        unpack_rows(pack_rows(rows))


@pytest.mark.parametrize("packed", ["", "ü", "====", "aGVsbG8=", pack_rows([b"[2,[]]"])[:-8]])
def test_a_page_that_is_not_packed_is_refused(packed: str) -> None:
    with pytest.raises(InvalidRequest, match="gzip"):
        unpack_rows(packed)


def test_bad_rows_of_a_page_come_in_the_order_of_lines() -> None:
    _, bad = read_rows(SUPPLIERS, ["name"], [(2, [""]), (3, ["a", "b"]), (4, [""])])
    assert bad == [
        BadRow(2, "name", "needs a value"),
        BadRow(3, None, "has 2 cells, the header has 1"),
        BadRow(4, "name", "needs a value"),
    ]


@pytest.mark.parametrize(
    ("kind", "columns", "cells"),
    [
        ("demand", ["sku", "warehouse", "day", "quantity", "exclude"], ["A", "B", "2026-11-23", "4"]),
        ("suppliers", ["name", "joint_orders"], ["A"]),
        ("product-suppliers", ["sku", "supplier", "is_preferred"], ["A", "B"]),
    ],
)
def test_a_row_that_is_not_marked_is_none_of_the_marked(kind: str, columns: list[str], cells: list[str]) -> None:
    rows, bad = read_rows(ImportKind(kind), columns, [(line, [*cells, mark]) for line, mark in ((2, "yes"), (3, ""))])
    assert ([getattr(row, columns[-1]) for row in rows], bad) == ([True, False], [])
    assert [columns[-1] in row.model_fields_set for row in rows] == [True, True]
