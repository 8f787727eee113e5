"""What `workflow.patched` is asked for stands in one list, where the next version is prepared."""

import ast
from pathlib import Path

import pytest

from workflows import patches

WORKFLOWS = sorted((Path(__file__).parents[2] / "workflows").glob("*.py"))


def _asked() -> list[str]:
    calls = [
        node
        for path in WORKFLOWS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("patched", "deprecate_patch"))
    ]
    # A name, or a name with more behind it.
    names = [ast.walk(argument) for call in calls for argument in call.args]
    return [next(each.id for each in parts if isinstance(each, ast.Name)) for parts in names]


def test_each_patch_is_a_name_of_the_list_and_each_of_the_list_is_asked_for() -> None:
    listed = {name for name, value in vars(patches).items() if name.isupper() and isinstance(value, str)}
    assert (
        set(_asked())
        == listed
        == {
            "ASKED",
            "AUDIT",
            "CAUGHT_UP",
            "INSPECTED",
            "NAMED_ANSWERS",
            "REFUSED",
            "SUPPLIER_WITHOUT_ADDRESS",
            "WITHDRAWN",
            "WITHOUT_IDENTITY",
        }
    )


def test_what_is_only_understood_is_listed() -> None:
    assert {value for value in vars(patches).values() if isinstance(value, str)} >= patches.UNDERSTOOD


def test_a_change_is_begun_unless_it_is_only_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    assert patches.begins(patches.WITHDRAWN)
    monkeypatch.setattr(patches, "UNDERSTOOD", frozenset({patches.WITHDRAWN}))
    assert not patches.begins(patches.WITHDRAWN)
    assert patches.begins(patches.NAMED_ANSWERS)


def test_what_comes_without_an_identity_is_refused_where_one_is_required() -> None:
    asked = f"{patches.WITHOUT_IDENTITY} signal 1"
    assert patches.begins(asked, identity_required=True)
    assert not patches.begins(asked)
    assert patches.begins(patches.WITHDRAWN, identity_required=True)
