"""A refused command: one line for people, and with `--json` also an object for programs."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from starter.cli.app import app

REFUSED = "TIME 'soon': must be an instant, such as 2026-11-23T14:30+01:00, 2026-11-23, now or 2h ago"


def test_with_json_a_refusal_is_an_object_beside_the_line() -> None:
    refused = CliRunner().invoke(app, ["stock", "at", "soon", "--json"])
    assert (refused.exit_code, json.loads(refused.stdout)) == (
        1,
        {"error": "InvalidRequest", "message": REFUSED, "details": {}},
    )
    assert " ".join(refused.stderr.split()) == f"InvalidRequest: {REFUSED}"


@pytest.mark.parametrize("kind", ["reserve", "po", "transfer", "count", "return", "adjust"])
def test_a_status_is_taken_in_any_case_and_a_wrong_one_is_answered_with_all(kind: str) -> None:
    refused = CliRunner().invoke(app, [kind, "list", "--status", "lost", "--json"])
    assert json.loads(refused.stdout)["message"].startswith("Invalid value for '--status': 'lost' is not one of '")
    taken = CliRunner().invoke(app, [kind, "list", "--status", "received", "--limit", "0", "--json"])
    known = "--limit" if kind in ("po", "transfer") else "--status"
    assert f"Invalid value for '{known}'" in json.loads(taken.stdout)["message"]


def test_a_kind_of_file_is_taken_in_any_case(tmp_path: Path) -> None:
    refused = CliRunner().invoke(app, ["import", "Products", str(tmp_path / "none.csv"), "--limit"])
    assert "No such option: --limit" in refused.stderr
    wrong = CliRunner().invoke(app, ["import", "goods", str(tmp_path / "none.csv"), "--json"])
    message = json.loads(wrong.stdout)["message"]
    assert message.startswith("Invalid value for 'KIND': 'goods' is not one of 'products', 'warehouses'")


@pytest.mark.parametrize(
    "command", [("po", "approve"), ("po", "reject"), ("adjust", "approve"), ("adjust", "reject"), ("count", "approve")]
)
@pytest.mark.parametrize("option", ["--approver", "--performed-by"])
def test_the_one_who_approves_is_named_by_either_option(command: tuple[str, ...], option: str) -> None:
    refused = CliRunner().invoke(app, [*command, option, "ann", "--lime", "--json"])
    assert json.loads(refused.stdout)["message"] == "No such option: --lime"
    assert "requires an argument" in json.loads(CliRunner().invoke(app, [*command, "--json", option]).stdout)["message"]


@pytest.mark.parametrize("first", [["--json"], []])
def test_without_json_nothing_is_on_standard_output_whatever_ran_before(first: list[str]) -> None:
    CliRunner().invoke(app, ["stock", "at", "soon", *first])
    refused = CliRunner().invoke(app, ["stock", "at", "soon"])
    assert (refused.exit_code, refused.stdout) == (1, "")


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["stock", "chart", "TEA", "--json"], "Missing option '--warehouse'."),
        (["reserve", "list", "--status", "LOST", "--json"], "Invalid value for '--status'"),
        (["count", "record", "C-1", "--json", "--lime", "A=1"], "No such option: --lime"),
    ],
)
def test_a_command_that_is_typed_wrongly_is_an_object_too(typed: list[str], message: str) -> None:
    refused = CliRunner().invoke(app, typed)
    said = json.loads(refused.stdout)
    assert (refused.exit_code, said["error"], said["details"]) == (2, "UsageError", {})
    assert message in said["message"]
    assert "Error" in refused.stderr
