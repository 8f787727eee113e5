"""Links from movements to runs, and where the Temporal UI is."""

import json
from pathlib import Path

import pytest

from starter.cli.context import ui_url
from starter.cli.links import linked, run_url


def test_a_link_leads_to_the_run_whatever_it_is_called() -> None:
    assert run_url("http://localhost:8233", "default", "reservation-7/ü #2?", "0199-ab") == (
        "http://localhost:8233/namespaces/default/workflows/reservation-7%2F%C3%BC%20%232%3F/0199-ab"
    )
    assert run_url("https://cloud.example/ui", "shop.a1b2", "transfer-[T]", "r") == (
        "https://cloud.example/ui/namespaces/shop.a1b2/workflows/transfer-%5BT%5D/r"
    )


@pytest.mark.parametrize("known", [(None, "w", "r"), ("http://ui", "", "r"), ("http://ui", "w", "")])
def test_there_is_no_link_without_a_ui_or_without_a_run(known: tuple[str | None, str, str]) -> None:
    ui, workflow_id, run_id = known
    assert run_url(ui, "default", workflow_id, run_id) is None


def test_a_name_is_shown_as_it_is_with_a_link_or_without() -> None:
    assert linked("[bold]", None) == r"\[bold]"
    assert linked("transfer-1", "http://ui/x") == "[link=http://ui/x]transfer-1[/link]"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory whose stack is up, and an environment that names no other Temporal."""
    for name in ("STOCKKEEPER_UI_URL", "TEMPORAL_ADDRESS", "TEMPORAL_PROFILE", "TEMPORAL_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    # Somebody's own profile mustn't count.
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".stockkeeper").mkdir()
    (tmp_path / ".stockkeeper" / "stack.json").write_text(json.dumps({"ui_url": "http://127.0.0.1:4711"}))
    return tmp_path


def test_the_ui_is_that_of_the_stack_that_is_up_here(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ui_url() == "http://127.0.0.1:4711"
    monkeypatch.setenv("STOCKKEEPER_UI_URL", "https://ui.example/")
    assert ui_url() == "https://ui.example"
    monkeypatch.delenv("STOCKKEEPER_UI_URL")
    # Another Temporal's runs aren't shown by this one's UI.
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.example:7233")
    assert ui_url() is None
    monkeypatch.delenv("TEMPORAL_ADDRESS")
    (here / ".stockkeeper" / "stack.json").unlink()
    assert ui_url() is None
