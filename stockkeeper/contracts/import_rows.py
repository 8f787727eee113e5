"""The rows of a file: how a cell is read, and the rules for a row.

A cell is text, as in the file. It is read here and nowhere else: by the sender of the file, so that faults are
found before anything is sent, and again by the worker, which trusts no sender. Nothing is guessed: a number is digits,
a day is ``2026-11-23``, and money is never a float.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import ErrorDetails, from_json

from stockkeeper.contracts.messages import MAX_DAYS_LEFT, MAX_UNITS, YEARS
from stockkeeper.domain.barcode import require_barcode, require_unit
from stockkeeper.domain.errors import InvalidRequest
from stockkeeper.domain.import_file import COLUMNS as COLUMNS  # noqa: PLC0414
from stockkeeper.domain.import_file import MEASURED as MEASURED  # noqa: PLC0414
from stockkeeper.domain.import_file import PROBLEMS_NAMED as PROBLEMS_NAMED  # noqa: PLC0414 - what follows is part of the contract
from stockkeeper.domain.import_file import PRODUCT as PRODUCT  # noqa: PLC0414
from stockkeeper.domain.import_file import BadRow as BadRow  # noqa: PLC0414
from stockkeeper.domain.import_file import Columns as Columns  # noqa: PLC0414
from stockkeeper.domain.import_file import ImportKind
from stockkeeper.domain.import_file import bad_columns as bad_columns  # noqa: PLC0414
from stockkeeper.domain.import_file import refusal as refusal  # noqa: PLC0414
from stockkeeper.domain.import_file import wrong_columns as wrong_columns  # noqa: PLC0414
from stockkeeper.domain.lot import LONGEST_LOT_NUMBER, Tracking
from stockkeeper.domain.mail_address import deliverable
from stockkeeper.domain.names import nearest as nearest  # noqa: PLC0414
from stockkeeper.domain.order_quantity import PriceBreak, require_breaks
from stockkeeper.domain.review_days import review_days_of, written
from stockkeeper.domain.sourcing import DEFAULT_PRIORITY
from stockkeeper.domain.unit import BaseUnit, base_unit_called, pack_name, require_clear

MAX_IMPORTED_ID = 2**53 - 1
"""The largest id that every JSON reader keeps exact. It leaves the database room to count on from there."""

MAX_LINE = 2**53 - 1
_KEY_LENGTH = 200
MAX_PRIORITY = 1_000_000
_WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_BETWEEN_BREAKS = re.compile(r"[\s;|]+", re.ASCII)
_YES = frozenset({"true", "yes", "1"})
_NO = frozenset({"false", "no", "0"})
# Cc: control characters; Cs: halves of a character; Zl and Zp: line breaks by another name.
_NOT_TEXT = frozenset({"Cc", "Cs", "Zl", "Zp"})


def _given(cell: Any) -> str:
    if not cell:
        raise ValueError("needs a value")
    return str(cell)


def _text(text: str) -> str:
    # Printable text is the common case and quick to recognise; a no-break space, say, isn't printable and still text.
    if not text.isprintable() and any(unicodedata.category(character) in _NOT_TEXT for character in text):
        raise ValueError("must not contain control characters or line breaks")
    return text


def _lines(text: str) -> str:
    _text(text.replace("\r\n", " ").replace("\n", " ").replace("\t", " "))
    return text


def _whole(cell: Any) -> int:
    if not _WHOLE.fullmatch(text := _given(cell)):
        raise ValueError("must be a whole number, such as 12")
    return int(text)


def _decimal(cell: Any) -> Decimal:
    if not _DECIMAL.fullmatch(text := _given(cell)):
        raise ValueError("must be a decimal number, such as 12.50")
    return Decimal(text)


def _measured(cell: Any, row: ValidationInfo) -> Decimal:
    """A number of the unit that the row names; of base units a whole one."""
    unit = row.data.get("unit")
    if unit is None:
        return Decimal(_whole(cell))
    number = _decimal(cell)
    try:
        require_clear(_given(cell), unit)
    except InvalidRequest as error:
        raise ValueError(error.message) from None
    return number


def _yes_or_no(cell: Any) -> bool:
    if (word := _given(cell).lower()) not in _YES | _NO:
        raise ValueError("must be true or false, yes or no, 1 or 0")
    return word in _YES


def _marked(cell: Any) -> bool:
    # A sheet marks a few of its rows, and leaves the cells of the others empty.
    return bool(cell) and _yes_or_no(cell)


def _day(cell: Any) -> date:
    if not _DAY.fullmatch(text := _given(cell)):
        raise ValueError("must be a day, such as 2026-11-23")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("there is no such day") from None


def _of_a_lot(day: date) -> date:
    # As in messages: an adjustment takes no other days.
    if day.year not in YEARS:
        raise ValueError(f"must be between {YEARS[0]} and {YEARS[-1]}")
    return day


def _printed(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must not contain control characters or line breaks")
    return text


@cache
def _timezones() -> frozenset[str]:
    # On some machines this is a file beside the timezones; it names no place.
    return frozenset(available_timezones()) - {"localtime"}


def _timezone(cell: Any) -> str:
    if (name := _given(cell)) not in _timezones():
        raise ValueError("must be a timezone's IANA name, such as Europe/Vienna")
    return name


def _email(text: str) -> str:
    deliverable(text)
    return text


def _json_object(cell: Any) -> dict[str, Any]:
    try:
        value = from_json(_given(cell), allow_inf_nan=False)
        # Written out again, because a number too large for JSON or half a character only shows there.
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise ValueError('must be JSON, such as {"length": 30, "width": 20}') from None
    if not isinstance(value, dict):
        raise ValueError(  # noqa: TRY004 - pydantic makes a bad row of a ValueError only
            'must be a JSON object, such as {"length": 30, "width": 20}'
        )
    if "\\u0000" in _given(cell):
        raise ValueError("must not contain control characters or line breaks")
    return value


def _review_days(cell: Any) -> str:
    try:
        return written(review_days_of(_given(cell)))
    except InvalidRequest as error:
        raise ValueError(error.message) from None


_BREAKS = "must be units and unit cost, such as 100:2.90 500:2.70"


def _price_breaks(cell: Any) -> list[dict[str, Any]]:
    breaks = []
    for each in _BETWEEN_BREAKS.split(_given(cell)):
        units, _, cost = each.partition(":")
        if not _WHOLE.fullmatch(units) or not _DECIMAL.fullmatch(cost):
            raise ValueError(_BREAKS)
        breaks.append(PriceBreak(_SOLD.validate_python(units), _COST.validate_python(cost)))
    try:
        require_breaks(breaks)
    except InvalidRequest as error:
        raise ValueError(error.message.removeprefix("price breaks: ")) from None
    return [{"quantity": each.quantity, "unit_cost": f"{each.unit_cost.normalize():f}"} for each in breaks]


def _base_unit(cell: Any) -> BaseUnit:
    # As with marks: a sheet names the few that aren't counted in pieces.
    try:
        return base_unit_called(str(cell)) if cell else BaseUnit.EACH
    except InvalidRequest as error:
        raise ValueError(error.message) from None


def _tracking(cell: Any) -> Tracking:
    # A sheet marks the products that are tracked, and leaves the cells of the others empty.
    try:
        return Tracking(str(cell).upper() or Tracking.NONE)
    except ValueError:
        raise ValueError(f"must be {', '.join(Tracking)}") from None


def _or_null(cell: Any) -> Any:
    return cell or None


_Given = BeforeValidator(_given)
_Text = AfterValidator(_text)
_OrNull = BeforeValidator(_or_null)

# Validators that read a cell stand last: the last one is the first to see it.
Key = Annotated[str, Field(max_length=_KEY_LENGTH), _Text, _Given]
KeyOfMessage = Annotated[str, Field(max_length=_KEY_LENGTH), _Text, AfterValidator(_given)]
"""The same where it isn't a cell: text already, and nothing else is made text of."""
Name = Annotated[str, Field(max_length=500), _Text, _Given]
Text = Annotated[Annotated[str, Field(max_length=10_000), AfterValidator(_lines)] | None, _OrNull]
Email = Annotated[Annotated[str, Field(max_length=320), _Text, AfterValidator(_email)] | None, _OrNull]
ImportedId = Annotated[int, Field(gt=0, le=MAX_IMPORTED_ID), BeforeValidator(_whole)]
Category = Annotated[Annotated[int, Field(ge=0, le=MAX_IMPORTED_ID), BeforeValidator(_whole)] | None, _OrNull]
Quantity = Annotated[int, Field(ge=0, le=MAX_UNITS), BeforeValidator(_whole)]
PackQuantity = Annotated[int, Field(gt=0, le=MAX_UNITS), BeforeValidator(_whole)]
Amount = Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=6), BeforeValidator(_decimal)]
DaysLeft = Annotated[int, Field(ge=0, le=MAX_DAYS_LEFT), BeforeValidator(_whole)]
Days = Annotated[Decimal, Field(ge=0, max_digits=9, decimal_places=3), BeforeValidator(_decimal)]
_SOLD: TypeAdapter[int] = TypeAdapter(PackQuantity)
_COST: TypeAdapter[Decimal] = TypeAdapter(Amount)
Area = Annotated[Decimal, Field(ge=0, max_digits=18, decimal_places=2), BeforeValidator(_decimal)]
YesOrNo = Annotated[bool, BeforeValidator(_yes_or_no)]
Mark = Annotated[bool, BeforeValidator(_marked)]
Day = Annotated[date, BeforeValidator(_day)]
LotCell = Annotated[str, Field(max_length=LONGEST_LOT_NUMBER), AfterValidator(_printed), _Given]
LotDay = Annotated[date, AfterValidator(_of_a_lot), BeforeValidator(_day)]
Timezone = Annotated[str, BeforeValidator(_timezone)]
Priority = Annotated[int, Field(ge=0, le=MAX_PRIORITY), BeforeValidator(_whole)]
ReviewDays = Annotated[str, BeforeValidator(_review_days)]
PriceBreaks = Annotated[list[dict[str, Any]], BeforeValidator(_price_breaks)]
BarcodeCell = Annotated[str, AfterValidator(require_barcode), _Text, _Given]
UnitName = Annotated[str, AfterValidator(require_unit), _Given]
TrackingCell = Annotated[Tracking, BeforeValidator(_tracking)]
JsonObject = Annotated[dict[str, Any], BeforeValidator(_json_object)]
Measured = Annotated[Decimal, Field(ge=0, le=MAX_UNITS, max_digits=27, decimal_places=18), BeforeValidator(_measured)]
UnitOrNone = Annotated[UnitName | None, _OrNull]
CountedIn = Annotated[BaseUnit, BeforeValidator(_base_unit)]
PackName = Annotated[str, AfterValidator(pack_name), _Given]


class Row(BaseModel):
    """One row. A column that the file doesn't have is not set, and so is never written.

    Which columns a file must have is `stockkeeper.domain.import_file.COLUMNS`; here every one has a default, which
    stands for nothing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    line: Annotated[int, Field(gt=0, le=MAX_LINE)]


class ProductRow(Row):
    """A product, by its SKU."""

    sku: Key
    product_id: ImportedId = 0
    name: Name = ""
    description: Text = None
    category_id: Category = None
    unit_cost: Annotated[Amount | None, _OrNull] = None
    unit_price: Annotated[Amount | None, _OrNull] = None
    weight_kg: Annotated[Amount | None, _OrNull] = None
    dimensions_cm: Annotated[JsonObject | None, _OrNull] = None
    is_active: YesOrNo = True
    base_unit: CountedIn = BaseUnit.EACH
    tracking: TrackingCell = Tracking.NONE
    minimum_days_left: Annotated[DaysLeft | None, _OrNull] = None
    minimum_days_at_receipt: Annotated[DaysLeft | None, _OrNull] = None


class WarehouseRow(Row):
    """A warehouse, by its name."""

    name: Key
    warehouse_id: ImportedId = 0
    address: Text = None
    timezone: Timezone = "UTC"
    capacity_sqft: Annotated[Area | None, _OrNull] = None
    priority: Priority = DEFAULT_PRIORITY


class SupplierRow(Row):
    """A supplier, by its name."""

    name: Key
    supplier_id: ImportedId = 0
    email: Email = None
    review_days: Annotated[ReviewDays | None, _OrNull] = None
    minimum_order_value: Annotated[Amount | None, _OrNull] = None
    joint_orders: Mark = False
    line_cost: Annotated[Amount | None, _OrNull] = None


class _OfProduct(Row):
    sku: Key = ""
    product_id: ImportedId = 0


class _OfItem(_OfProduct):
    warehouse: Key = ""
    warehouse_id: ImportedId = 0


class ProductSupplierRow(_OfProduct):
    """A supplier's terms for a product: cost, lead time, minimum and pack."""

    supplier: Key = ""
    supplier_id: ImportedId = 0
    is_preferred: Mark = False
    unit_cost: Amount = Decimal()
    lead_time_days: Days = Decimal()
    lead_time_deviation_days: Annotated[Days | None, _OrNull] = None
    unit: UnitOrNone = None
    minimum_order_quantity: PackQuantity = 1
    pack_size: PackQuantity = 1
    price_breaks: Annotated[PriceBreaks | None, _OrNull] = None
    minimum_days_at_receipt: Annotated[DaysLeft | None, _OrNull] = None


class BarcodeRow(_OfProduct):
    """A barcode of a product, and the pack that it is printed on."""

    barcode: BarcodeCell = ""
    unit: UnitName = ""
    quantity: PackQuantity = 1


class StockRow(_OfItem):
    """All units of a product in a warehouse, and maybe those that were there when the file was made.

    Of a tracked product they are those of one lot, of which there may be several rows.
    """

    unit: UnitOrNone = None
    quantity: Quantity = 0
    expected_quantity: Annotated[Quantity | None, _OrNull] = None
    lot_number: Annotated[LotCell | None, _OrNull] = None
    expires_on: Annotated[LotDay | None, _OrNull] = None


class DemandRow(_OfItem):
    """Sales of an earlier system: units of a product on one day; or a day that planning leaves out."""

    day: Day = date.min
    unit: UnitOrNone = None
    quantity: Quantity = 0
    exclude: Mark = False


class UnitRow(_OfProduct):
    """A pack of a product, the house's or a supplier's: base units in one; null: there is none any more."""

    unit: PackName = ""
    quantity: Annotated[PackQuantity | None, _OrNull] = None
    supplier: Annotated[Key | None, _OrNull] = None
    supplier_id: Annotated[ImportedId | None, _OrNull] = None


# Where a file has a column for the unit, the database knows how many base units there are in one.
class _MeasuredTerms(ProductSupplierRow):
    minimum_order_quantity: Measured = Decimal(1)  # type: ignore[assignment]
    pack_size: Measured = Decimal(1)  # type: ignore[assignment]


class _MeasuredStock(StockRow):
    quantity: Measured = Decimal()  # type: ignore[assignment]
    expected_quantity: Annotated[Measured | None, _OrNull] = None  # type: ignore[assignment]


class _MeasuredDemand(DemandRow):
    quantity: Measured = Decimal()  # type: ignore[assignment]


_ROWS: Mapping[ImportKind, TypeAdapter[list[Row]]] = {
    kind: TypeAdapter(list[model])  # type: ignore[valid-type]
    for kind, model in {
        ImportKind.PRODUCTS: ProductRow,
        ImportKind.WAREHOUSES: WarehouseRow,
        ImportKind.SUPPLIERS: SupplierRow,
        ImportKind.PRODUCT_SUPPLIERS: ProductSupplierRow,
        ImportKind.BARCODES: BarcodeRow,
        ImportKind.STOCK: StockRow,
        ImportKind.DEMAND: DemandRow,
        ImportKind.UNITS: UnitRow,
    }.items()
}
_MEASURED_ROWS: Mapping[ImportKind, TypeAdapter[list[Row]]] = {
    kind: TypeAdapter(list[model])  # type: ignore[valid-type]
    for kind, model in {
        ImportKind.PRODUCT_SUPPLIERS: _MeasuredTerms,
        ImportKind.STOCK: _MeasuredStock,
        ImportKind.DEMAND: _MeasuredDemand,
    }.items()
}


_MEASURED_MODELS = (_MeasuredTerms, _MeasuredStock, _MeasuredDemand)


def _rows_of(kind: ImportKind, columns: Sequence[str]) -> TypeAdapter[list[Row]]:
    return _MEASURED_ROWS[kind] if kind in MEASURED and "unit" in columns else _ROWS[kind]


def read_rows(
    kind: ImportKind, columns: Sequence[str], rows: Iterable[tuple[int, Sequence[str]]]
) -> tuple[list[Row], list[BadRow]]:
    """Read rows out of their cells.

    Spaces around a value don't count, and an empty cell is null.

    Args:
        kind: The kind of rows.
        columns: Their columns, already checked by `stockkeeper.domain.import_file.bad_columns`.
        rows: For each row its line in the file and its cells.

    Returns:
        The rows; or none, and the faults by line.
    """
    fitting: list[dict[str, Any]] = []
    bad: list[BadRow] = []
    for line, cells in rows:
        if len(cells) != len(columns):
            bad.append(BadRow(line, None, f"has {len(cells)} cells, the header has {len(columns)}"))
        else:
            fitting.append({"line": line, **{name: cell.strip() for name, cell in zip(columns, cells, strict=True)}})
    try:
        read = _rows_of(kind, columns).validate_python(fitting)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        bad += [_bad_row(fitting, problem) for problem in problems]
        read = []
    return ([] if bad else read), sorted(bad, key=lambda row: row.line)


def readable_rows(
    kind: ImportKind, columns: Sequence[str], rows: Iterable[tuple[int, Sequence[str]]], bad: Iterable[BadRow]
) -> list[Row]:
    """Rows without the cells that can't be read: what is left may be bad in other ways.

    Args:
        kind: The kind of rows.
        columns: Their columns.
        rows: For each row its line in the file and its cells.
        bad: What `read_rows` has found.
    """
    unread: dict[int, set[str | None]] = {}
    for each in bad:
        unread.setdefault(each.line, set()).add(each.column)
    fitting = [
        {"line": line}
        | {name: cell.strip() for name, cell in zip(columns, cells, strict=True) if name not in unread.get(line, ())}
        for line, cells in rows
        if len(cells) == len(columns) and None not in unread.get(line, ())
    ]
    return _rows_of(kind, columns).validate_python(fitting)


def rows_as_json(kind: ImportKind, rows: list[Row]) -> bytes:
    """The rows as the database takes them: a list of objects with the columns that the file has."""
    by_row = _MEASURED_ROWS[kind] if rows and isinstance(rows[0], _MEASURED_MODELS) else _ROWS[kind]
    return by_row.dump_json(rows, exclude_unset=True)


def _bad_row(rows: list[dict[str, Any]], problem: ErrorDetails) -> BadRow:
    index, *path = problem["loc"]
    message = problem["msg"].removeprefix("Value error, ")
    return BadRow(rows[int(index)]["line"], str(path[0]) if path else None, message[:1].lower() + message[1:])
