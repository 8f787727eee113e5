"""Every process shows a step that the database doesn't carry out at present."""

import ast
from pathlib import Path

import pytest

from stockkeeper.contracts.outage import ATTEMPT_FAILED
from worker import WORKFLOWS
from workflows.question import QuestionWorkflow

WORKFLOW_FILES = sorted((Path(__file__).parents[2] / "workflows").glob("[!_]*.py"))
CALLS = {"execute_activity_method", "execute_local_activity_method", "execute_activity", "start_activity"}
WITHOUT_THE_DATABASE = {"reordering.py"}
"""Activities that ask Temporal only."""
HANDED_ON = {"failed_before.py"}
"""A worker's interceptor, which hands on the calls of all processes."""


def calls_outside(source: str) -> list[int]:
    """The lines that call an activity outside a ``with ... .step(activity)``."""
    found: list[int] = []

    def look(node: ast.AST, *, shown: bool) -> None:
        if isinstance(node, ast.With):
            opened = [item.context_expr for item in node.items]
            shown = shown or any(isinstance(each, ast.Call) and _name(each.func) == "step" for each in opened)
        if isinstance(node, ast.Call) and _name(node.func) in CALLS and not shown:
            found.append(node.lineno)
        for child in ast.iter_child_nodes(node):
            look(child, shown=shown)

    look(ast.parse(source), shown=False)
    return found


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else ""


@pytest.mark.parametrize("path", WORKFLOW_FILES, ids=lambda path: path.name)
def test_a_step_of_any_process_is_shown_while_it_waits(path: Path) -> None:
    assert bool(calls_outside(path.read_text())) == (path.name in WITHOUT_THE_DATABASE | HANDED_ON)


def test_a_call_outside_is_found() -> None:
    call = "workflow.execute_activity_method(one, step)"
    assert calls_outside(f"async def run():\n    await {call}\n    with waits.step(one):\n        await {call}") == [2]


@pytest.mark.parametrize("workflow", [each for each in WORKFLOWS if each is not QuestionWorkflow])
def test_every_process_is_told_of_attempts_that_fail(workflow: type) -> None:
    assert ATTEMPT_FAILED in vars(workflow)["__temporal_workflow_definition"].signals
