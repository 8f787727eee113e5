"""What is installed is what is here: a wheel without the migrations could not set anything up."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
ROOMS = ("activities", "database", "devstack", "starter", "stockkeeper", "workflows")


def test_every_module_is_in_a_package() -> None:
    # Only packages are put into the wheel; a folder without this file would be left behind without a word.
    folders = {path.parent for room in ROOMS for path in (REPOSITORY / room).rglob("*.py")}
    assert len(folders) == 18
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []
