"""Who may do what: every command of every process, as every role, and the warehouses and amounts."""

from decimal import Decimal

import pytest

from stockkeeper.contracts.giving_way import GIVE_WAY
from stockkeeper.contracts.messages import Step
from stockkeeper.contracts.processes import PROCESSES
from stockkeeper.contracts.question import QUESTIONS as ALL_QUESTIONS
from stockkeeper.domain.errors import NotPermitted
from stockkeeper.domain.permission import (
    QUESTIONS,
    START,
    Identity,
    Needs,
    Role,
    require_limit,
    require_looking,
    require_named,
    require_place,
    require_role,
)

# Roles in the order look, sell, count, receive, buy, approve, administer: x may.
MAY: dict[tuple[str, str], str] = {
    ("reservation", START): ".x.....",
    ("reservation", "fulfill"): ".x.....",
    ("reservation", "release"): ".x.....",
    ("reservation", "cancel"): ".x.....",
    ("reservation", "extend"): ".x.....",
    ("reservation", "give_way"): "......x",
    ("purchase_order", START): "....x..",
    ("purchase_order", "approve"): ".....x.",
    ("purchase_order", "reject"): ".....x.",
    ("purchase_order", "amend"): "....x..",
    ("purchase_order", "confirm"): "....x..",
    ("purchase_order", "receive"): "...x...",
    ("purchase_order", "approve_difference"): ".....x.",
    ("purchase_order", "correct_receipt"): "...x...",
    ("purchase_order", "return_goods"): "...x...",
    ("purchase_order", "close_short"): "....x..",
    ("purchase_order", "cancel"): "....x..",
    ("transfer", START): "...xx..",
    ("transfer", "dispatch"): "...x...",
    ("transfer", "receive"): "...x...",
    ("transfer", "write_off"): "...x...",
    ("transfer", "approve_difference"): ".....x.",
    ("transfer", "cancel"): "...xx..",
    ("transfer", "give_way"): "......x",
    ("cycle_count", START): "..x....",
    ("cycle_count", "record"): "..x....",
    ("cycle_count", "approve_variance"): ".....x.",
    ("cycle_count", "cancel"): "..x....",
    ("customer_return", START): "...x...",
    ("customer_return", "inspect"): "...x...",
    ("customer_return", "approve_difference"): ".....x.",
    ("customer_return", "close_short"): "...x...",
    ("adjustment", START): "..x....",
    ("adjustment", "approve"): ".....x.",
    ("adjustment", "reject"): ".....x.",
    ("adjustment", "cancel"): "..x....",
    ("inspection", START): "..x....",
    ("inspection", "release"): ".....x.",
    ("inspection", "scrap"): ".....x.",
    ("inspection", "approve_difference"): ".....x.",
    ("recall", START): "..xx..x",
    ("recall", "release"): ".....x.",
    ("recall", "close"): "..xx..x",
    ("import_file", START): "......x",
    ("import_file", "add_page"): "......x",
    ("import_file", "finish"): "......x",
    ("reorder", START): "....x..",
    ("replenishment_plan", START): "....x..",
    ("cycle_count_plan", START): "..x....",
    ("lot_expiry", START): "..x....",
    ("stock_audit", START): "......x",
}


COMMANDS = {process.kind: process.needs for process in PROCESSES}


def _may(identity: Identity, needs: Needs, *warehouses: int | None) -> bool:
    try:
        require_role(identity, needs, "do it", warehouses)
    except NotPermitted:
        return False
    return True


@pytest.mark.parametrize(("process", "command"), MAY, ids=[f"{process} {command}" for process, command in MAY])
def test_each_role_may_do_what_the_table_says_and_nothing_else(process: str, command: str) -> None:
    needs = COMMANDS[process][command]
    found = "".join("x" if _may(Identity("ann", frozenset({role})), needs, 1) else "." for role in Role)
    assert found == MAY[process, command]
    assert not _may(Identity("ann", frozenset()), needs, 1)


def test_every_command_of_every_process_needs_something() -> None:
    sent = {(process.kind, command.name) for process in PROCESSES for command in process.commands}
    sent |= {(process.kind, START) for process in PROCESSES}
    sent |= {(process, GIVE_WAY.name) for process in ("reservation", "transfer")}
    assert sent == {(process, command) for process, commands in COMMANDS.items() for command in commands} == {*MAY}


def test_a_place_is_a_field_of_the_start_and_of_the_state() -> None:
    for process in PROCESSES:
        for command, needs in COMMANDS[process.kind].items():
            model = process.start if command == START else process.state
            assert not needs.at or needs.at in model.model_fields, (process.kind, command)


def test_every_question_that_changes_something_needs_a_role() -> None:
    changing = {name for name, question in ALL_QUESTIONS.items() if issubclass(question.model, Step)}
    assert {*QUESTIONS} == changing | {"preview_import", "show_webhook_secret"}


def test_a_role_holds_in_its_warehouses_only() -> None:
    ann = Identity("ann", frozenset({Role.RECEIVE}), warehouses=frozenset({1, 2}))
    needs = Needs((Role.RECEIVE,))
    assert _may(ann, needs, 1)
    assert _may(ann, needs, 1, 2)
    assert not _may(ann, needs, 1, 3)
    assert not _may(ann, needs, None)
    assert _may(ann, Needs((Role.RECEIVE,), at=""))
    assert _may(Identity("ann", frozenset({Role.RECEIVE})), needs, None)
    nowhere = Identity("ann", frozenset({Role.RECEIVE}), warehouses=frozenset())
    assert not _may(nowhere, needs, 1)
    with pytest.raises(NotPermitted) as caught:
        require_role(ann, needs, "receive", [3])
    assert caught.value.message == "'ann' may not do that in warehouse 3: receive"


def test_a_small_change_is_made_in_the_warehouses_of_its_caller_only() -> None:
    require_place(None, 3, "ann")
    require_place([1, 3], 3, "ann")
    for others in ([1, 2], []):
        with pytest.raises(NotPermitted) as caught:
            require_place(others, 3, "ann")
        assert caught.value.message == "'ann' may not do that in warehouse 3"


@pytest.mark.parametrize(
    ("limit", "amount", "may"),
    [
        (None, None, True),
        (None, "1000000", True),
        ("500", "500", True),
        ("500", "500.000001", False),
        ("500", None, False),
        ("0", "0", True),
        ("0", "0.01", False),
    ],
)
def test_an_approval_ends_at_the_limit(limit: str | None, amount: str | None, may: bool) -> None:
    ann = Identity("ann", frozenset({Role.APPROVE}), limit=None if limit is None else Decimal(limit))
    worth = None if amount is None else Decimal(amount)
    if may:
        require_limit(ann, worth, "approve")
        return
    with pytest.raises(NotPermitted):
        require_limit(ann, worth, "approve")


def test_whoever_names_somebody_else_is_refused() -> None:
    ann = Identity("Ann", frozenset({Role.LOOK}))
    require_named(ann, "ANN")
    with pytest.raises(NotPermitted) as caught:
        require_named(ann, "bob")
    assert caught.value.message == "it names 'bob', and its identity is 'Ann''s: name yourself"


def test_any_role_looks_and_none_does_not() -> None:
    for role in Role:
        require_looking(Identity("ann", frozenset({role})), "show_levels")
    with pytest.raises(NotPermitted):
        require_looking(Identity("ann", frozenset()), "show_levels")
