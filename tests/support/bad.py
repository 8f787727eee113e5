"""What a mistaken or hostile client sends, as changes to a message that is right."""

import copy
import json
from collections.abc import Callable
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

Json = Any
Spoil = Callable[[dict[str, Json]], list[Json]]
"""Makes the arguments that are sent from a message that is right."""

MEGABYTE = "x" * 1_000_000
LONG = "x" * 50_000
"""Longer than any text may be; a megabyte a field of each command would be most of what the tests carry."""


def instead(*arguments: Json) -> Spoil:
    """Something else altogether."""
    return lambda message: list(arguments)


def without(field: str) -> Spoil:
    """The message less a field."""
    return lambda message: [{name: value for name, value in message.items() if name != field}]


def with_fields(**fields: Json) -> Spoil:
    """The message with fields set."""
    return lambda message: [message | fields]


def lines_field(message: dict[str, Json]) -> str:
    """What the message calls its lines."""
    return "line_items" if "line_items" in message else "lines"


def with_lines(lines: Json) -> Spoil:
    """The message with something else where its lines were."""
    return lambda message: [message | {lines_field(message): lines}]


def with_line(**fields: Json) -> Spoil:
    """The message with fields of its first line set."""

    def spoil(message: dict[str, Json]) -> list[Json]:
        changed = copy.deepcopy(message)
        changed[lines_field(message)][0] |= fields
        return [changed]

    return spoil


def line_without(field: str) -> Spoil:
    """The message with its first line less a field."""

    def spoil(message: dict[str, Json]) -> list[Json]:
        changed = copy.deepcopy(message)
        del changed[lines_field(message)][0][field]
        return [changed]

    return spoil


def repeated_lines(count: int) -> Spoil:
    """The message with its first line so many times."""
    return lambda message: with_lines(message[lines_field(message)] * count)(message)


def twice(message: dict[str, Json]) -> list[Json]:
    """The message as two arguments."""
    return [message, message]


def as_text(message: dict[str, Json]) -> list[Json]:
    """The message as JSON in a string."""
    return [json.dumps(message)]


def raw(data: bytes, **metadata: bytes) -> Spoil:
    """Bytes that say of themselves what they like."""
    return instead(RawValue(Payload(metadata=metadata, data=data)))


def any_message(actor: str = "performed_by") -> dict[str, Spoil]:
    """What is wrong for every message in which this field says who sends it."""
    return {
        "no argument": instead(),
        "null": instead(None),
        "two arguments": twice,
        "a list": instead([]),
        "a list of messages": lambda message: [[message]],
        "a string": instead("please"),
        "JSON in a string": as_text,
        "a number": instead(42),
        "a huge number": instead(10**400),
        "true": instead(True),
        "an empty object": instead({}),
        "an unknown field": with_fields(colour="red"),
        "an empty field name": with_fields(**{"": 1}),
        "a field name of a megabyte": with_fields(**{MEGABYTE: 1}),
        f"{actor} missing": without(actor),
        **bad_text(actor),
        f"{actor} of a megabyte": with_fields(**{actor: MEGABYTE}),
        "broken JSON": raw(b'{"performed_by": "ann', encoding=b"json/plain"),
        "no JSON": raw(b"\xff\xfe", encoding=b"json/plain"),
        "nothing as JSON": raw(b"", encoding=b"json/plain"),
        "JSON too deep": raw(b"[" * 100_000, encoding=b"json/plain"),
        "bytes": raw(b"\x00\x01", encoding=b"binary/plain"),
        "an unknown encoding": raw(b"{}", encoding=b"binary/secret"),
        "no encoding": raw(b"{}"),
        # Payloads that say that they are kept in a storage outside Temporal, for which the SDK looks by itself.
        "kept elsewhere": raw(b"{}", encoding=b"json/external-storage-reference"),
        "kept elsewhere by its mark": raw(b"[]", encoding=b"json/plain", __temporal_external_storage_reference=b"true"),
        "an unknown protobuf": raw(b"{}", encoding=b"json/protobuf", messageType=b"a.B"),
    }


def bad_text(field: str, *, at_most: int = 200) -> dict[str, Spoil]:
    """What is wrong for a field that takes a line of text which must not be empty."""
    values: dict[str, Json] = {
        "null": None,
        "empty": "",
        "a number": 7,
        "a list": ["ann"],
        "an object": {"name": "ann"},
        "too long": "x" * (at_most + 1),
        "very long": LONG,
        "with a line break": "ann\nbob",
        "with a null character": "ann\x00",
        "with half a character": "ann\ud800",
        "with spaces around": " ann ",
    }
    return {f"{field} {name}": with_fields(**{field: value}) for name, value in values.items()}


def bad_ending(actor: str = "performed_by") -> dict[str, Spoil]:
    """What is wrong for a message that ends a document and takes only a reason."""
    return {**any_message(actor), **bad_text("reason", at_most=500), "reason missing": without("reason")}


def bad_units_of_none(field: str) -> dict[str, Spoil]:
    """What is wrong for lines with a number of units that may be zero, which it is when left out."""
    may_be = {f"{field} zero", f"{field} missing"}
    return {name: spoil for name, spoil in bad_lines(field, units=field).items() if name not in may_be}


def bad_receipt(unusable: str) -> dict[str, Spoil]:
    """What is wrong for a receipt of products, some units of which can't be used: the name of that number."""
    return {
        **any_message(),
        **bad_lines("product_id", "quantity"),
        **bad_units_of_none(unusable),
        **bad_text("receipt_id"),
        **_bad_reasons(unusable),
        "receipt_id missing": without("receipt_id"),
        "nothing came": with_line(**{"quantity": 0, unusable: 0}),
        **bad_product(),
        "more than is expected": with_line(quantity=11),
        "a product that isn't expected": with_line(product_id=2**62),
    }


def _bad_reasons(unusable: str) -> dict[str, Spoil]:
    """What isn't a reason for units that can't be used; null is none. Without such units none is right."""
    bad = {name: spoil for name, spoil in bad_text("unfit_reason", at_most=500).items() if name != "unfit_reason null"}
    return {
        **{name: _after(with_line(**{unusable: 1}), spoil) for name, spoil in bad.items()},
        "unfit_reason without such units": with_fields(unfit_reason="wrong item"),
    }


def _after(first: Spoil, then: Spoil) -> Spoil:
    """A change to what the first change makes of the message."""
    return lambda message: then(*first(message))


def bad_product() -> dict[str, Spoil]:
    """What is wrong for lines that have to name a product."""
    return {"product_id missing": line_without("product_id"), "product_id null": with_line(product_id=None)}


def bad_start(number: str, *ids: str, units: str) -> dict[str, Spoil]:
    """What is wrong for the start of a document with lines.

    Args:
        number: The field with the document's number.
        ids: The fields with the ids that the document has to have.
        units: The field of a line with its number of units.
    """
    return {
        **any_message("requested_by"),
        **bad_lines("product_id", units, units=units),
        **bad_product(),
        **bad_text(number),
        **{name: spoil for field in ids for name, spoil in bad_number(field, at_most=2**63 - 1).items()},
        **{f"{field} missing": without(field) for field in (number, *ids, "line_items")},
        **{f"{field} null": with_fields(**{field: None}) for field in (*ids, "line_items")},
        **{f"{field} a fraction": with_fields(**{field: 1.5}) for field in ids},
        **{f"{field} a float": with_fields(**{field: 1.0}) for field in ids},
        "another name of the lines": lambda message: [message | {"lines": message["line_items"]}],
        f"{number} of another document": with_fields(**{number: "another-document"}),
        f"{number} in other letters": lambda message: [message | {number: message[number].upper()}],
    }


ANY_MESSAGE = any_message()
"""What is wrong for every message."""


def bad_number(field: str, *, at_most: float) -> dict[str, Spoil]:
    """What is wrong for a field that takes a positive number."""
    values: dict[str, Json] = {
        "zero": 0,
        "negative": -1,
        "too large": at_most + 1,
        "huge": 10**30,
        "a string": "5",
        "an empty string": "",
        "very long": LONG,
        "true": True,
        "a list": [5],
        "an object": {"value": 5},
        "not a number": float("nan"),
        "infinite": float("inf"),
    }
    return {f"{field} {name}": with_fields(**{field: value}) for name, value in values.items()}


def bad_lines(*numbers: str, units: str = "quantity") -> dict[str, Spoil]:
    """What is wrong for lines with these fields, each a whole positive number; one of them is the number of units."""
    values: dict[str, Json] = {
        "zero": 0,
        "negative": -1,
        "huge": 10**30,
        "past 64 bits": 2**63,
        "a string": "5",
        "very long": LONG,
        "a fraction": 1.5,
        "a float": 1.0,
        "true": True,
        "a list": [5],
        "an object": {"id": 5},
        "not a number": float("nan"),
    }
    fields = {f"{number} {name}": with_line(**{number: value}) for number in numbers for name, value in values.items()}
    return fields | {
        "lines empty": with_lines([]),
        "lines an object": with_lines({"0": {}}),
        "lines a string": with_lines("all"),
        "lines a long string": with_lines(LONG),
        "lines of null": with_lines([None]),
        "lines of lists": with_lines([[1, 1, 1]]),
        "lines of numbers": with_lines([1, 2]),
        "too many lines": repeated_lines(1_001),
        "an unknown field in a line": with_line(sku="TEA-100"),
        "a long field name in a line": with_line(**{LONG: 1}),
        f"{units} missing": line_without(units),
        f"{units} null": with_line(**{units: None}),
        f"{units} past the most": with_line(**{units: 1_000_000_001}),
    }


def bad_days(field: str) -> dict[str, Spoil]:
    """What is wrong for a field that takes a day."""
    values: dict[str, Json] = {
        "that isn't in the calendar": "2026-02-30",
        "without zeros": "2026-1-1",
        "without dashes": "20261123",
        "of a week": "2026-W48-1",
        "with a time": "2026-11-23T00:00:00",
        "with a time and an offset": "2026-11-23T00:00:00Z",
        "with a space": "2026-11-23 ",
        "in other digits": "\u0662\u0660\u0662\u0666-\u0661\u0661-\u0662\u0663",
        "before all days": "0000-01-01",
        "too early": "1969-12-31",
        "too late": "2200-01-01",
        "a word": "tomorrow",
        "an empty string": "",
        "very long": LONG,
        "a number": 20_261_123,
        "zero": 0,
        "true": True,
        "a list": ["2026-11-23"],
        "not a number": float("nan"),
    }
    return {f"{field} {name}": with_fields(**{field: value}) for name, value in values.items()}


BAD_MONEY: dict[str, Json] = {
    "a float": 1.0,
    "a fraction": 12.5,
    "true": True,
    "false": False,
    "not a number": float("nan"),
    "infinite": float("inf"),
    "not a number in a string": "NaN",
    "infinite in a string": "Infinity",
    "negative": "-1.00",
    "a negative number": -1,
    "with too many decimals": "1.0000001",
    "with a point and nothing": "1.",
    "with nothing and a point": ".5",
    "with a plus": "+1",
    "with an exponent": "1e3",
    "with a comma": "1,50",
    "with an underscore": "1_000",
    "with a currency": "1.00 EUR",
    "with a space": " 1.00",
    "in other digits": "\u0661\u0662",
    "of too many digits": "1" * 31,
    "a huge number": 10**40,
    "very long": "1" * 50_000,
    "a word": "free",
    "an empty string": "",
    "a list": ["1.00"],
    "an object": {"amount": "1.00"},
}
"""What isn't an amount of money."""
