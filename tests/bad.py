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


def instead(*arguments: Json) -> Spoil:
    """Something else altogether."""
    return lambda message: list(arguments)


def without(field: str) -> Spoil:
    """The message less a field."""
    return lambda message: [{name: value for name, value in message.items() if name != field}]


def with_fields(**fields: Json) -> Spoil:
    """The message with fields set."""
    return lambda message: [message | fields]


def with_line(**fields: Json) -> Spoil:
    """The message with fields of its first line set."""

    def spoil(message: dict[str, Json]) -> list[Json]:
        changed = copy.deepcopy(message)
        changed["lines"][0] |= fields
        return [changed]

    return spoil


def line_without(field: str) -> Spoil:
    """The message with its first line less a field."""

    def spoil(message: dict[str, Json]) -> list[Json]:
        changed = copy.deepcopy(message)
        del changed["lines"][0][field]
        return [changed]

    return spoil


def repeated_lines(count: int) -> Spoil:
    """The message with its first line so many times."""
    return lambda message: [message | {"lines": message["lines"] * count}]


def twice(message: dict[str, Json]) -> list[Json]:
    """The message as two arguments."""
    return [message, message]


def as_text(message: dict[str, Json]) -> list[Json]:
    """The message as JSON in a string."""
    return [json.dumps(message)]


def raw(data: bytes, **metadata: bytes) -> Spoil:
    """Bytes that say of themselves what they like."""
    return instead(RawValue(Payload(metadata=metadata, data=data)))


ANY_MESSAGE: dict[str, Spoil] = {
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
    "performed_by missing": without("performed_by"),
    "performed_by null": with_fields(performed_by=None),
    "performed_by empty": with_fields(performed_by=""),
    "performed_by a number": with_fields(performed_by=7),
    "performed_by a list": with_fields(performed_by=["ann"]),
    "performed_by an object": with_fields(performed_by={"name": "ann"}),
    "performed_by of a megabyte": with_fields(performed_by=MEGABYTE),
    "performed_by with a line break": with_fields(performed_by="ann\nbob"),
    "performed_by with a null character": with_fields(performed_by="ann\x00"),
    "performed_by with half a character": with_fields(performed_by="ann\ud800"),
    "performed_by with spaces around": with_fields(performed_by=" ann "),
    "broken JSON": raw(b'{"performed_by": "ann', encoding=b"json/plain"),
    "no JSON": raw(b"\xff\xfe", encoding=b"json/plain"),
    "nothing as JSON": raw(b"", encoding=b"json/plain"),
    "JSON too deep": raw(b"[" * 100_000, encoding=b"json/plain"),
    "bytes": raw(b"\x00\x01", encoding=b"binary/plain"),
    "an unknown encoding": raw(b"{}", encoding=b"binary/secret"),
    "no encoding": raw(b"{}"),
    "an unknown protobuf": raw(b"{}", encoding=b"json/protobuf", messageType=b"a.B"),
}
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
        "a megabyte": MEGABYTE,
        "true": True,
        "a list": [5],
        "an object": {"value": 5},
        "not a number": float("nan"),
        "infinite": float("inf"),
    }
    return {f"{field} {name}": with_fields(**{field: value}) for name, value in values.items()}


def bad_lines(*numbers: str) -> dict[str, Spoil]:
    """What is wrong for lines with these fields, each a whole positive number."""
    values: dict[str, Json] = {
        "zero": 0,
        "negative": -1,
        "huge": 10**30,
        "past 64 bits": 2**63,
        "a string": "5",
        "a megabyte": MEGABYTE,
        "a fraction": 1.5,
        "a float": 1.0,
        "true": True,
        "a list": [5],
        "an object": {"id": 5},
        "not a number": float("nan"),
    }
    fields = {f"{number} {name}": with_line(**{number: value}) for number in numbers for name, value in values.items()}
    return fields | {
        "lines empty": with_fields(lines=[]),
        "lines an object": with_fields(lines={"0": {}}),
        "lines a string": with_fields(lines="all"),
        "lines a megabyte": with_fields(lines=MEGABYTE),
        "lines of null": with_fields(lines=[None]),
        "lines of lists": with_fields(lines=[[1, 1, 1]]),
        "lines of numbers": with_fields(lines=[1, 2]),
        "too many lines": repeated_lines(1_001),
        "an unknown field in a line": with_line(sku="TEA-100"),
        "a field name of a megabyte in a line": with_line(**{MEGABYTE: 1}),
        "quantity missing": line_without("quantity"),
        "quantity null": with_line(quantity=None),
        "quantity past the most": with_line(quantity=1_000_000_001),
    }
