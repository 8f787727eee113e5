"""What the doctor says of several databases that don't fit together."""

from collections.abc import Mapping, Sequence

import pytest

from database.homes import Several
from database.several import OfSeveral
from devstack.doctor_databases import judged_together

QUEUES = ("north", "south")


def told(
    queue: str,
    *,
    itself: str = "",
    catalogue: str = "north",
    ranges: Sequence[int] = (),
    places: Mapping[int, str] | None = None,
    stocked: Sequence[int] = (),
    moving: Sequence[int] = (),
    is_following: bool = True,
    knows: bool = True,
) -> OfSeveral:
    """What a database tells; that of the north keeps warehouse 1, that of the south warehouse 2, unless it is said."""
    of_it = Several(itself or queue, catalogue, frozenset(), is_following)
    return OfSeveral(
        several=of_it if knows else None,
        ranges=ranges or (QUEUES.index(queue),),
        places={1: "north", 2: "south"} if places is None else places,
        stocked=frozenset(stocked or (QUEUES.index(queue) + 1,)),
        moving=frozenset(moving),
    )


def test_databases_that_fit_are_well() -> None:
    found = judged_together({queue: told(queue) for queue in QUEUES}, QUEUES)
    assert [(each.name, each.ok, each.detail, each.advice) for each in found] == [
        ("database_names", True, "north, south are who the settings say", ""),
        ("key_ranges", True, "each database counts its documents in a range of its own", ""),
        ("warehouse_homes", True, "each warehouse is kept by one database", ""),
    ]


@pytest.mark.parametrize(
    ("south", "name", "detail"),
    [
        (told("south", itself="east"), "database_names", "the database given for south is that of east"),
        (
            told("south", knows=False),
            "database_names",
            "the database given for south doesn't know that it is one of several",
        ),
        (
            told("south", catalogue="east"),
            "database_names",
            "that of south takes its catalogue from east, and not from north",
        ),
        (told("south", is_following=False), "database_names", "the catalogue isn't being replicated to south"),
        (told("south", ranges=(0,)), "key_ranges", "north and south count documents in the same range"),
        (
            told("south", ranges=(0, 1)),
            "key_ranges",
            "south counts documents in ranges 0, 1; north and south count documents in the same range",
        ),
        (
            told("south", places={1: "north", 2: "north"}),
            "warehouse_homes",
            "warehouse 2 is kept by south in north's directory, north in south's directory",
        ),
        (
            told("south", places={1: "north"}),
            "warehouse_homes",
            "warehouse 2 is kept by south in north's directory, nobody in south's directory",
        ),
        (told("south", stocked=(1, 2)), "warehouse_homes", "south has stock of warehouse 1, which north keeps"),
    ],
)
def test_what_does_not_fit_is_one_finding_with_what_to_do(south: OfSeveral, name: str, detail: str) -> None:
    found = {each.name: each for each in judged_together({"north": told("north"), "south": south}, QUEUES)}
    assert {each.name for each in found.values() if not each.ok} == {name}
    assert found[name].detail == detail
    assert "STOCKKEEPER_DATABASES" in found[name].advice or "replication" in found[name].advice


def test_a_warehouse_on_a_move_may_be_in_two_places_for_a_moment() -> None:
    south = told("south", places={1: "north", 2: "north"}, stocked=(1, 2), moving=(1, 2))
    found = {each.name: each for each in judged_together({"north": told("north"), "south": south}, QUEUES)}
    homes = found["warehouse_homes"]
    assert (homes.ok, homes.detail) == (True, "each warehouse is kept by one database, and 2 on a move")


def test_one_that_does_not_answer_is_left_out_of_the_comparison() -> None:
    assert all(each.ok for each in judged_together({"north": told("north")}, QUEUES))
