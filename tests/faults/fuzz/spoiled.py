"""Messages that are spoilt: in one place or a few, as a whole, in their number, or as bytes."""

import base64
import copy
import gzip
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.faults.fuzz.values import Own, anything
from tests.support.wire import Json

Place = tuple[str | int, ...]
Bytes = tuple[bytes, dict[str, bytes]]
"""A payload as it travels: its data, and what it says of itself."""

_SMALL_LETTERS = 1_500
PLAIN = {"encoding": b"json/plain"}


def nested(depth: int) -> Json:
    """Lists in lists."""
    value: Json = []
    for _ in range(depth):
        value = [value]
    return value


ODD: SearchStrategy[Json] = st.one_of(
    st.sampled_from(
        [
            *(None, True, False, "", " ", "\x00", "\ud800", "a\nb", "\u202e", "null", "-1", "1e3", "NaN"),
            *(0, -1, 1.0, 1.5, -0.0, 1e308, 5e-324, float("nan"), float("inf"), float("-inf")),
            *(2**31, 2**53 + 1, 2**63 - 1, 2**63, 10**30, 10**400),
            *([], {}, [None], [[]], {"": None}, {"id": 1}, ["x"] * 1_001, "x" * 501, "x" * 20_000),
            *("2026-02-30", "2026-11-29T00:00:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "id:1"),
        ]
    ),
    st.integers(1, 60).map(nested),
    anything(),
)
"""What hardly any field takes."""


def places(value: Json, here: Place = ()) -> Iterator[Place]:
    """Every place in a message below its whole."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        yield (*here, name)
        yield from places(each, (*here, name))


def _replace(at: Json, name: str | int, odd: Json) -> None:
    at[name] = odd


def _remove(at: Json, name: str | int, odd: Json) -> None:
    del odd, at[name]


def _wrap(at: Json, name: str | int, odd: Json) -> None:
    del odd
    at[name] = [at[name]]


def _as_text(at: Json, name: str | int, odd: Json) -> None:
    del odd
    if isinstance(at[name], int | float | bool | None):
        at[name] = json.dumps(at[name])


def _repeat(at: Json, name: str | int, odd: Json) -> None:
    del odd
    if isinstance(at, list):
        # Too many of small things only, and each a thing of its own: repeated within each other, as the next change may
        # do it, they would be more than any memory holds.
        times = 1_001 if len(at) == 1 and len(repr(at)) < _SMALL_LETTERS else 1
        at.extend([copy.deepcopy(at[int(name)]) for _ in range(times)])


def _add(at: Json, name: str | int, odd: Json) -> None:
    if isinstance(at, dict):
        at[f"{name}_"] = odd


def _rename(at: Json, name: str | int, odd: Json) -> None:
    del odd
    if isinstance(at, dict):
        at[str(name).upper()] = at.pop(str(name))


_CHANGES: Sequence[Callable[[Json, str | int, Json], None]] = (
    *(_replace, _replace, _replace, _replace),
    *(_remove, _remove),
    *(_wrap, _as_text, _repeat, _add, _rename),
)


@st.composite
def spoiled(draw: DrawFn, right: SearchStrategy[Json]) -> Json:
    """A message that fits but for a few places."""
    message = copy.deepcopy(draw(right))
    for _ in range(draw(st.integers(1, 3))):
        every = list(places(message))
        if not every:
            return draw(ODD)
        *way, name = draw(st.sampled_from(every))
        at = message
        for each in way:
            at = at[each]
        draw(st.sampled_from(_CHANGES))(at, name, draw(ODD))
    return message


@dataclass(frozen=True)
class AsBytes:
    """A message that is sent as bytes of another form.

    Attributes:
        message: The message.
        form: The name of the form, in `FORMS`.
    """

    message: Json
    form: str


REFERENCE = b"json/external-storage-reference"
"""Encoding of a payload that says that it is kept somewhere else; the SDK looks for it before anybody reads it."""

FORMS: Mapping[str, Callable[[bytes], Bytes]] = {
    "cut off": lambda data: (data[:-1], PLAIN),
    "nothing": lambda _data: (b"", PLAIN),
    "with more behind": lambda data: (data + b"{}", PLAIN),
    "with a byte order mark": lambda data: (b"\xef\xbb\xbf" + data, PLAIN),
    "in UTF-16": lambda data: (data.decode().encode("utf-16"), PLAIN),
    "no text": lambda data: (b"\xff\xfe" + data, PLAIN),
    "with a comment": lambda data: (b"/* now */" + data, PLAIN),
    "with single quotes": lambda data: (data.replace(b'"', b"'"), PLAIN),
    "with a huge number": lambda _data: (b'{"quantity": ' + b"9" * 5_000 + b"}", PLAIN),
    "with a huge exponent": lambda _data: (b'{"quantity": 1e999999}', PLAIN),
    "with a field twice": lambda data: (data[:-1] + b',"performed_by":7,"performed_by":null}', PLAIN),
    "too deep": lambda _data: (b'{"a":' * 20_000 + b"1" + b"}" * 20_000, PLAIN),
    "compressed": lambda data: (gzip.compress(data), {"encoding": b"binary/gzip"}),
    "in Base64": lambda data: (base64.b64encode(data), PLAIN),
    "as bytes": lambda data: (data, {"encoding": b"binary/plain"}),
    "as null": lambda data: (data, {"encoding": b"binary/null"}),
    "as protobuf": lambda data: (data, {"encoding": b"binary/protobuf", "messageType": b"temporal.api.common.v1.Memo"}),
    "as an unknown protobuf": lambda data: (data, {"encoding": b"json/protobuf", "messageType": b"a.B"}),
    "as a protobuf without a type": lambda data: (data, {"encoding": b"json/protobuf"}),
    "encrypted": lambda data: (data[::-1], {"encoding": b"binary/encrypted", "key": b"\x00\xff"}),
    "of no encoding": lambda data: (data, {}),
    "of an encoding that is no text": lambda data: (data, {"encoding": b"\xff"}),
    "kept elsewhere": lambda data: (data, {"encoding": REFERENCE}),
    "kept elsewhere by its type": lambda _data: (
        b"{}",
        {"encoding": b"json/protobuf", "messageType": b"temporal.api.sdk.v1.ExternalStorageReference"},
    ),
    "kept elsewhere by its mark": lambda data: (data, PLAIN | {"__temporal_external_storage_reference": b"true"}),
}
"""Forms in which a message isn't one, but for a few that a reader may let pass."""


def arguments(likely: SearchStrategy[Json], fitting: SearchStrategy[Json]) -> SearchStrategy[list[Any]]:
    """What is sent to whoever takes one such message.

    Args:
        likely: Messages that make sense.
        fitting: Messages that fit the schema.
    """
    good = likely.map(lambda each: [each])
    fits = fitting.map(lambda each: [each])
    bad = spoiled(likely).map(lambda each: [each])
    odd = ODD.map(lambda each: [each])
    in_bytes = st.builds(lambda each, form: [AsBytes(each, form)], likely, st.sampled_from(sorted(FORMS)))
    number = st.one_of(
        st.just([]),
        likely.map(lambda each: [each, each]),
        st.builds(lambda each, other: [each, other], likely, ODD),
        likely.map(lambda each: [each] * 50),
        likely.map(lambda each: [_text(each)]),
    )
    # `one_of` would take each of them once, and each of their own alternatives as one more.
    ways = [good, good, good, good, fits, fits, bad, bad, bad, odd, in_bytes, number]
    return st.sampled_from(range(len(ways))).flatmap(ways.__getitem__)


def _text(message: Json) -> str:
    """A message as JSON in a string."""
    return json.dumps(message, default=lambda each: each.kind if isinstance(each, Own) else str(each))
