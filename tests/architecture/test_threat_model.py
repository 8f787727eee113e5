"""The page about threats: each thing that stops somebody has a test, and what stops nobody is said."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "threat-model.md").read_text(encoding="utf-8")
_NAMED = re.compile(r"`((?:\w+/)+test_\w+\.py)(?:::(test_\w+))?`")


def test_every_test_that_the_page_names_is_there() -> None:
    named = _NAMED.findall(PAGE)
    assert len(named) > 40
    sources = {file: (TESTS / file).read_text(encoding="utf-8") for file, _ in named if (TESTS / file).exists()}
    missing = [
        f"{file}::{test}"
        for file, test in named
        if file not in sources or (test and not re.search(rf"\bdef {test}\(", sources[file]))
    ]
    assert missing == []


def test_every_row_of_what_stops_somebody_names_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| tries |")]
    assert [row for row in rows if not _NAMED.search(row)] == []


def test_every_section_says_what_is_not_stopped() -> None:
    sections = PAGE.split("\n## ")[1:]
    assert [section.splitlines()[0] for section in sections if "**Not stopped" not in section] == []
