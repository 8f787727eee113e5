"""What a process's model refuses: every field of every message with every value that is wrong for it.

Each is sent as a foreign service's client would send it, received as a worker does, and read as the process reads it,
by `parse` and the model of its contract. That a process does so is seen in `tests/end_to_end`, with some of them.
"""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from temporalio.converter import DataConverter

from stockkeeper.contracts.converter import DATA_CONVERTER
from stockkeeper.contracts.messages import Message, parse
from stockkeeper.domain.errors import InvalidRequest
from tests.support.bad import Json, lines_field
from tests.support.bad_messages import COMMANDS, SENT_COMMANDS, SENT_STARTS, STARTS
from tests.support.bad_messages.matrix import EVERYWHERE, Matrix, Sent

_LONGEST_MESSAGE = 2_000
_ALL: dict[str, Matrix] = STARTS | {" ".join(key): matrix for key, matrix in COMMANDS.items()}


async def _read(model: type[Message], arguments: list[Json]) -> Message:
    payloads = await DataConverter.default.encode(arguments)
    return parse(model, await DATA_CONVERTER.decode(payloads))


async def _refusal(matrix: Matrix, name: str) -> str | None:
    """What is said of it; None: it is taken."""
    try:
        await _read(matrix.model, matrix.bad[name](matrix.right))
    except InvalidRequest as refusal:
        return refusal.message
    return None


@pytest.mark.parametrize("matrix", _ALL.values(), ids=_ALL)
async def test_what_is_wrong_in_itself_is_refused_and_its_field_is_named(matrix: Matrix) -> None:
    refusals = {name: await _refusal(matrix, name) for name in matrix.bad}
    assert {name for name, told in refusals.items() if told is None} == matrix.later
    for name, told in refusals.items():
        field, _ = matrix.field_and_kind(name)
        named = lines_field(matrix.right) if field == "lines" else field
        # What can't be written as text can't be read either, and has no fields that could be named.
        assert told is None or named in told or (told.endswith("(ValidationError)") and "half a character" in name), (
            name,
            told,
        )
        assert len(told or "") < _LONGEST_MESSAGE, name


@pytest.mark.parametrize("matrix", _ALL.values(), ids=_ALL)
async def test_what_is_right_is_taken(matrix: Matrix) -> None:
    assert type(await _read(matrix.model, [matrix.right])) is matrix.model


def _kinds(matrices: Mapping[Any, Matrix], names: Mapping[Any, Iterable[str]]) -> set[str]:
    return {matrices[key].field_and_kind(name)[1] for key, each in names.items() for name in each}


@pytest.mark.parametrize(("matrices", "sent"), [(STARTS, SENT_STARTS), (COMMANDS, SENT_COMMANDS)])
def test_every_field_and_every_kind_of_value_is_sent_to_a_real_process(
    matrices: Mapping[Any, Matrix], sent: Mapping[Any, Sent]
) -> None:
    assert sent.keys() == matrices.keys()
    for key, matrix in matrices.items():
        messages = sent[key].messages
        assert messages.keys() >= (EVERYWHERE & matrix.bad.keys()) | matrix.later
        for field, kinds in matrix.by_field().items():
            assert messages.keys() & kinds.values(), field
        assert sent[key].signalled
        assert sent[key].signalled <= messages.keys()
    all_kinds = _kinds(matrices, {key: matrix.bad for key, matrix in matrices.items()})
    assert _kinds(matrices, {key: each.messages for key, each in sent.items()}) == all_kinds
    assert _kinds(matrices, {key: each.signalled for key, each in sent.items()}) == all_kinds


def test_fewer_than_a_third_of_them_are_sent() -> None:
    all_of_them = sum(len(matrix.bad) for matrix in _ALL.values())
    messages = [len(each.messages) for each in itertools.chain(SENT_STARTS.values(), SENT_COMMANDS.values())]
    assert sum(messages) * 3 < all_of_them
