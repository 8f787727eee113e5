"""What Temporal takes as a search attribute, at most."""

import json

from stockkeeper.contracts.search_attributes import keyword, keywords


def test_a_value_is_cut_to_what_temporal_takes() -> None:
    assert keyword("order-1042") == "order-1042"
    cut = keyword("😀" * 200)
    assert cut != "😀" * 200
    assert ("😀" * 200).startswith(cut)
    assert 1_500 < len(json.dumps(cut)) < 2_000


def test_a_list_keeps_its_first_values_once_each() -> None:
    assert keywords(["b", "a", "b"]) == ["b", "a"]
    skus = [f"LONG-{number}-".ljust(90, "ü") for number in range(1_000)]
    kept = keywords(skus)
    assert kept == skus[: len(kept)]
    assert len(kept) == 3
    assert len(json.dumps(kept)) < 2_000
