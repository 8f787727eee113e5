"""A caller's token: where it comes from, and the name that the command line takes of it."""

from pathlib import Path

import pytest

from devstack.doctor import _identity
from starter.cli.options import you
from stockkeeper.client.identity import TOKEN, TOKEN_FILE, person_by, token_by
from stockkeeper.contracts.errors import StockkeeperError
from tests.support.identity import Provider
from worker import Settings


@pytest.fixture
def provider(tmp_path: Path) -> Provider:
    return Provider(tmp_path / "keys.json")


def test_a_token_comes_by_a_variable_or_a_file_that_is_read_for_each_call(tmp_path: Path) -> None:
    file = tmp_path / "token"
    assert token_by({}) is None
    assert token_by({TOKEN: " a.b.c "}) == "a.b.c"
    file.write_text("first\n")
    token = token_by({TOKEN_FILE: str(file)})
    assert callable(token)
    assert token() == "first"
    file.write_text("second\n")
    assert token() == "second"
    file.write_text("\n")
    with pytest.raises(StockkeeperError, match="which is empty"):
        token()
    file.unlink()
    with pytest.raises(StockkeeperError, match="can't be read: No such file"):
        token()
    with pytest.raises(StockkeeperError, match="are both set"):
        token_by({TOKEN: "a", TOKEN_FILE: str(file)})


def test_the_command_line_acts_as_the_person_of_the_token(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    token = provider.token("ann", email="ann@a.example")
    assert person_by({TOKEN: token}) == "ann"
    assert person_by({TOKEN: token, "STOCKKEEPER_IDENTITY_PERSON_CLAIM": "email"}) == "ann@a.example"
    assert person_by({TOKEN: token, "STOCKKEEPER_IDENTITY_PERSON_CLAIM": "name"}) is None
    for other in ("", "ann", "a.b.c", "a.bm90IGpzb24.c"):
        assert person_by({TOKEN: other}) is None
    monkeypatch.setenv(TOKEN, token)
    assert you() == "ann"
    monkeypatch.delenv(TOKEN)
    monkeypatch.setenv("LOGNAME", "tom")
    assert you() == "tom"


def test_the_doctor_looks_whether_the_keys_can_be_read(provider: Provider) -> None:
    off = _identity(Settings())
    assert (off.ok, off.detail) == (True, "off: names are taken on trust, from whoever can reach Temporal")
    required = Settings(**provider.settings)
    found = _identity(required)
    assert (found.ok, found.detail) == (True, "required; keys of the identity provider: 1")
    provider.place.write_text('{"keys": []}')
    assert not _identity(required).ok
    provider.place.unlink()
    lost = _identity(required)
    assert (lost.ok, lost.detail) == (
        False,
        "the identity provider's keys can't be read: FileNotFoundError",
    )
