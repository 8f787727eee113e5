"""The page of events names every type there is."""

import re
from pathlib import Path

from stockkeeper.contracts.event import DATA, DocumentChanged, type_of

PAGE = Path(__file__).parents[2] / "docs" / "events.md"


def test_the_page_names_every_type_of_event() -> None:
    named = set(re.findall(r"^\| `(stockkeeper\.[\w.]+)` \|", PAGE.read_text(), re.MULTILINE))
    kinds = {type_of(kind) for kind, model in DATA.items() if model is not DocumentChanged}
    assert named == kinds | {type_of("KIND.changed")}
