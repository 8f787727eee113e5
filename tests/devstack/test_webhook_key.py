"""The key of webhooks that an embedded stack makes for itself."""

from pathlib import Path

import pytest

from activities.settings import WorkerSettings
from devstack.processes import StackError
from devstack.webhook_key import kept_key


def test_a_key_is_made_once_and_read_by_its_owner_only(tmp_path: Path) -> None:
    key = kept_key(tmp_path)
    assert (tmp_path / "webhook-key").stat().st_mode & 0o777 == 0o600
    assert kept_key(tmp_path) == key
    assert WorkerSettings(webhook_key=key).webhooks.key == key  # type: ignore[arg-type]
    (other := tmp_path / "other").mkdir()
    assert kept_key(other) != key


def test_what_is_no_key_is_told(tmp_path: Path) -> None:
    (tmp_path / "webhook-key").write_text("short\n")
    with pytest.raises(StackError, match="has no key: at least 32 characters"):
        kept_key(tmp_path)
    with pytest.raises(StackError, match="can't be written: No such file"):
        kept_key(tmp_path / "nowhere")
