"""Files that commands write: whole, or not at all."""

from pathlib import Path

import pytest

from starter.cli.files import whole_or_nothing
from stockkeeper import StockkeeperError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "stock.csv"


def test_a_file_appears_when_it_is_complete_in_place_of_the_old_one(file: Path) -> None:
    file.write_text("old")
    with whole_or_nothing(file) as unfinished:
        unfinished.write_text("new")
        assert (file.read_text(), unfinished.parent) == ("old", file.parent)
    assert (file.read_text(), list(file.parent.iterdir())) == ("new", [file])


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_is_broken_off_leaves_what_was_there_and_nothing_else(file: Path, error: type[BaseException]) -> None:
    file.write_text("old")

    def write_a_part() -> None:
        with whole_or_nothing(file) as unfinished:
            unfinished.write_text("ne")
            raise error

    with pytest.raises(error):
        write_a_part()
    assert (file.read_text(), list(file.parent.iterdir())) == ("old", [file])


def test_a_link_stays_one(file: Path) -> None:
    link = file.with_name("latest.csv")
    link.symlink_to(file)
    with whole_or_nothing(link) as unfinished:
        unfinished.write_text("new")
    assert (link.is_symlink(), file.read_text()) == (True, "new")


@pytest.mark.parametrize(
    ("where", "why"),
    [
        (".", "it isn't a file"),
        ("none/stock.csv", "No such file or directory"),
        ("taken/stock.csv", "Not a directory"),
    ],
)
def test_what_can_not_be_written_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    taken = tmp_path / "taken"
    taken.write_text("a file")
    path = Path(where)
    with pytest.raises(StockkeeperError) as refused, whole_or_nothing(path) as unfinished:
        unfinished.write_text("new")
    assert (str(refused.value), list(tmp_path.iterdir())) == (f"{path} can't be written: {why}", [taken])
