"""A refused command: one line for people, and with `--json` also an object for programs."""

import json

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
