"""Files as spreadsheets and people write them: encodings, delimiters, numbers, headers, and sheets of Excel's."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starter.cli.order_lines import order_lines, picked_line, skus_from_file, units_from_file
from stockkeeper.client.csv_files import CsvFile, read_csv
from stockkeeper.client.file_numbers import NumberStyle
from stockkeeper.contracts.errors import InvalidRequest
from stockkeeper.contracts.import_file import ImportKind, unpack_rows
from tests.support.import_file import Problem, problems_of

PRODUCTS, STOCK, SUPPLIERS = ImportKind.PRODUCTS, ImportKind.STOCK, ImportKind.SUPPLIERS


def _read(directory: Path, kind: ImportKind, content: str | bytes, name: str = "file.csv") -> CsvFile:
    path = directory / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_csv(kind, path)


def _rows(file: CsvFile) -> list[list[str]]:
    return [cells for page in file.pages for _, cells in unpack_rows(page.packed)]


def _wrong(directory: Path, kind: ImportKind, content: str | bytes) -> list[Problem]:
    with pytest.raises(InvalidRequest) as caught:
        _read(directory, kind, content)
    return problems_of(caught.value)


@pytest.mark.parametrize(
    ("encoding", "notes"),
    [
        ("utf-8", []),
        ("utf-8-sig", []),
        ("utf-16", []),
        ("utf-16-le", []),
        ("utf-16-be", []),
        ("utf-32", []),
        ("cp1252", ["read as Windows-1252, because it isn't UTF-8; look at the letters with accents"]),
    ],
)
def test_the_encoding_is_recognised(tmp_path: Path, encoding: str, notes: list[str]) -> None:
    file = _read(tmp_path, SUPPLIERS, "name,email\r\nGrüße & Söhne \u2013 Köln,\r\n".encode(encoding))
    assert (file.columns, _rows(file), file.notes) == (["name", "email"], [["Grüße & Söhne \u2013 Köln", ""]], notes)


def test_another_encoding_may_be_named(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes("name\nŁódź\n".encode("latin2"))
    assert _rows(read_csv(SUPPLIERS, path, encoding="latin2")) == [["Łódź"]]
    with pytest.raises(InvalidRequest, match="there is no such encoding"):
        read_csv(SUPPLIERS, path, encoding="klingon")


@pytest.mark.parametrize(
    ("mark", "notes"),
    [(",", []), (";", ["read with semicolons between the cells"]), ("\t", ["read with tabs between the cells"])],
)
def test_the_delimiter_is_recognised_by_the_header(tmp_path: Path, mark: str, notes: list[str]) -> None:
    lines = [["SKU", "Name", "Description"], ["A", '"one; two, three"', '"He said ""tea""\n- loose\tor bagged"']]
    file = _read(tmp_path, PRODUCTS, "\n".join(mark.join(line) for line in lines))
    assert file.notes == notes
    assert _rows(file) == [["A", "one; two, three", 'He said "tea"\n- loose\tor bagged']]


def test_excels_own_first_line_is_no_header(tmp_path: Path) -> None:
    file = _read(tmp_path, SUPPLIERS, "sep=;\nname;email\nA;a@x.at\n")
    assert (file.columns, _rows(file)) == (["name", "email"], [["A", "a@x.at"]])


def test_headers_are_known_in_any_case_and_others_are_named(tmp_path: Path) -> None:
    file = _read(tmp_path, PRODUCTS, "SKU,Colour, Unit Cost ,UNIT-PRISE,,Name\nA,red,1.50,2,x,Mug\n")
    assert (file.columns, _rows(file)) == (["sku", "unit_cost", "name"], [["A", "1.50", "Mug"]])
    assert file.notes == ["ignored columns: Colour, UNIT-PRISE; UNIT-PRISE may be meant as unit_price"]
    assert _wrong(tmp_path, PRODUCTS, "SKU,Sku\nA,A\n") == [(1, None, "column 'sku' comes twice")]
    assert _wrong(tmp_path, STOCK, "SKU,Warehouse,Sku Count\nA,B,1\n") == [(1, None, "column 'quantity' is missing")]


def test_blank_cells_behind_the_last_column_dont_count(tmp_path: Path) -> None:
    assert _rows(_read(tmp_path, SUPPLIERS, "name,email,,\nA,,,\nB,b@x.at,,\n")) == [["A", ""], ["B", "b@x.at"]]


@pytest.mark.parametrize(
    ("costs", "read"),
    [
        (["12.50", "3", "0.125"], ["12.50", "3", "0.125"]),
        (["12,50", "3", "0,125"], ["12.50", "3", "0.125"]),
        (["1,234", "12,5"], ["1.234", "12.5"]),
        (["1.234"], ["1.234"]),
        (["-12,5"], None),
    ],
)
def test_a_decimal_comma_counts_where_the_file_is_consistent(
    tmp_path: Path, costs: list[str], read: list[str] | None
) -> None:
    content = "sku;unit_cost\n" + "".join(f"S{number};{cost}\n" for number, cost in enumerate(costs))
    if read is None:
        assert _wrong(tmp_path, PRODUCTS, content) == [(2, "unit_cost", "input should be greater than or equal to 0")]
    else:
        assert [cells[1] for cells in _rows(_read(tmp_path, PRODUCTS, content))] == read


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        (["1.234,50"], "1.234,50 has a thousands separator; write 1234,50"),
        (["1,234.50"], "1,234.50 has a thousands separator; write 1234.50"),
        (["1 234"], "1 234 has a thousands separator; write 1234"),
        (["1'234.5"], "1'234.5 has a thousands separator; write 1234.5"),
        (["1.234.567"], "1.234.567 has a thousands separator; write 1234567"),
        (["1,234"], "1,234 may be 1234 or 1.234; write which"),
        (["1.234", "2,5"], "1.234 may be 1234 or 1.234; write which"),
        (
            ["2,5", "1.50"],
            "2,5 has another decimal mark than the points of the file (line 3); write 2.5",
        ),
    ],
)
def test_a_number_that_may_be_another_is_named(tmp_path: Path, costs: list[str], message: str) -> None:
    content = "sku;unit_cost\n" + "".join(f"S{number};{cost}\n" for number, cost in enumerate(costs))
    assert _wrong(tmp_path, PRODUCTS, content) == [(2, "unit_cost", message)]


@pytest.mark.parametrize(
    ("units", "read"),
    [("12.0", "12"), ("12,0", "12"), ("12.00", "12"), ("0.0", "0"), ("12", "12")],
)
def test_whole_units_may_have_nothing_behind_the_mark(tmp_path: Path, units: str, read: str) -> None:
    assert _rows(_read(tmp_path, STOCK, f"sku;warehouse;quantity\nA;B;{units}\n")) == [["A", "B", read]]


def test_every_bad_row_of_a_file_is_named_whatever_is_wrong_with_it(tmp_path: Path) -> None:
    content = "sku;warehouse;quantity\nA;B;1.234\n;B;x\nA;B\nA;B;1,5\nA;B;7\n"
    assert _wrong(tmp_path, STOCK, content) == [
        (2, "quantity", "1.234 has a thousands separator; write 1234"),
        (3, "sku", "needs a value"),
        (3, "quantity", "must be a whole number, such as 12"),
        (4, None, "has 2 cells, the header has 3"),
        (5, "quantity", "must be a whole number, such as 12"),
    ]


NUMBERS = st.decimals(-(10**9), 10**9, places=3, allow_nan=False, allow_infinity=False)


@given(numbers=st.lists(NUMBERS, min_size=1, max_size=8), comma=st.booleans())
def test_what_one_mark_means_is_read_or_named_and_never_another_number(numbers: list[Decimal], comma: bool) -> None:
    written = [f"{number:f}".replace(".", "," if comma else ".") for number in numbers]
    style = NumberStyle()
    for line, text in enumerate(written):
        style.look_at(line, text)
    for line, (text, number) in enumerate(zip(written, numbers, strict=True)):
        read = style.read(line, "unit_cost", text)
        assert not isinstance(read, str) or Decimal(read) == number


def test_a_sheet_of_excels_is_read_as_it_looks(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["SKU", "Warehouse", "Day", "Quantity"])
    sheet.append([1, "Köln", date(2026, 1, 31), 12.0])
    sheet["A2"].number_format = "0000"
    sheet.append([None, None, None, None])
    sheet.append(["A-7", "Köln", datetime(2026, 2, 1), 3])  # noqa: DTZ001 - Excel knows no zones
    path = tmp_path / "sales.xlsx"
    book.save(path)
    file = read_csv(ImportKind.DEMAND, path)
    assert file.columns == ["sku", "warehouse", "day", "quantity"]
    assert [row for page in file.pages for row in unpack_rows(page.packed)] == [
        (2, ["0001", "Köln", "2026-01-31", "12"]),
        (4, ["A-7", "Köln", "2026-02-01", "3"]),
    ]


def test_cells_that_a_sheet_leaves_out_are_empty(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["sku", "unit_cost", "is_active", "description"])
    sheet.append(["A", 0.1 + 0.2, True])
    path = tmp_path / "costs.xlsx"
    book.save(path)
    assert _rows(read_csv(PRODUCTS, path)) == [["A", "0.3", "true", ""]]


def test_a_file_that_only_has_the_ending_of_excels_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="isn't a file of Excel's, or it is damaged"):
        _read(tmp_path, STOCK, "sku,warehouse\n", "stock.xlsx")


def test_lines_of_a_document_come_from_the_same_files(tmp_path: Path) -> None:
    path = tmp_path / "lines.csv"
    path.write_text("SKU;QTY;Unit Cost;Shelf\nTEA-100;12,0;4,25;A1\nMUG;3;;A2\n", "cp1252")
    assert [(line.product, line.quantity, line.unit_cost) for line in order_lines(None, path)] == [
        ("TEA-100", 12, "4.25"),
        ("MUG", 3, None),
    ]
    path.write_text("product_id\tquantity\n7\t-3\n")
    assert [(line.product, line.quantity) for line in units_from_file(path, signed=True)] == [("id:7", -3)]
    path.write_text("sku\n0001\n1\n")
    assert skus_from_file(path) == ["0001", "1"]


def test_every_bad_line_of_a_document_is_named(tmp_path: Path) -> None:
    path = tmp_path / "lines.csv"
    path.write_text("sku,quantity\nA,1.5\n,x\nid:7,2\nA,3\nA,1.234\n")
    with pytest.raises(InvalidRequest) as caught:
        units_from_file(path)
    units = "needs a sku and whole units, without dots or commas"
    assert problems_of(caught.value) == [
        (2, None, units),
        (3, None, units),
        (4, "sku", "must be a SKU; an id stands in a column product_id"),
        (6, "quantity", "1.234 has a thousands separator; write 1234"),
    ]


def test_the_lot_that_was_picked_stands_behind_the_units() -> None:
    picked = picked_line("TEA-100@Main=2#L=1#7")
    assert (picked.product, picked.warehouse, picked.quantity, picked.lot_number) == ("TEA-100", "Main", 2, "L=1#7")
    in_cases = picked_line("TEA-100=2 cases#L-77")
    assert (in_cases.product, in_cases.quantity, in_cases.lot_number) == ("TEA-100", "2 cases", "L-77")
    other = picked_line("TEA#100=2")
    assert (other.product, other.quantity, other.lot_number) == ("TEA#100", 2, None)
    with pytest.raises(InvalidRequest, match="must be whole units"):
        picked_line("TEA-100=x#L")


def test_a_number_beside_a_unit_may_have_a_point_and_is_never_taken_for_thousands(tmp_path: Path) -> None:
    path = tmp_path / "stock.csv"
    path.write_text("sku,warehouse,quantity,unit\nF,H,1.250,kg\nT,H,12.0,case\nM,H,7,\n")
    [page] = read_csv(STOCK, path).pages
    assert [cells[2:] for _, cells in unpack_rows(page.packed)] == [["1.250", "kg"], ["12", "case"], ["7", ""]]
    path.write_text("sku,warehouse,quantity,unit\nF,H,1.250,\nT,H,1.000,case\nM,H,1.000,g\n")
    with pytest.raises(InvalidRequest) as caught:
        read_csv(STOCK, path)
    assert [(each["line"], each["column"], each["message"]) for each in caught.value.details["errors"]] == [
        (2, "quantity", "1.250 has a thousands separator; write 1250"),
        (3, "quantity", "1.000 case may be a thousand times as many; write it without the point or the zeros"),
        (4, "quantity", "1.000 must be whole units, without dots or commas"),
    ]
