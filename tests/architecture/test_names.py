"""A line of a document has another class name in each room of the library: an import says which one is meant."""

import ast
import itertools
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[2] / "stockkeeper"
ROOMS = ("domain", "contracts", "client")


def _lines(room: str) -> set[str]:
    """The classes of a room whose names end in ``Line``."""
    trees = (ast.parse(path.read_text()) for path in sorted((LIBRARY / room).glob("**/*.py")))
    nodes = itertools.chain.from_iterable(ast.walk(tree) for tree in trees)
    return {node.name for node in nodes if isinstance(node, ast.ClassDef) and node.name.endswith("Line")}


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_lines(room: str) -> None:
    assert _lines(room)


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(ROOMS, 2)))
def test_rooms_share_no_name_of_a_line(one: str, other: str) -> None:
    assert _lines(one) & _lines(other) == set()
