"""Who is the same person."""

import pytest

from stockkeeper.domain.people import is_same_person


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("ann", "ann", True),
        ("ann", "Ann", True),
        ("ANN", "ann", True),
        ("strauß", "STRAUSS", True),
        ("ΝΙΚΟΣ", "νικος", True),
        # PostgreSQL, which keeps the same rule, makes an İ a plain i.
        ("İpek", "ipek", True),
        ("İPEK", "i̇pek", True),
        # An é as one character, and as an e with an accent after it.
        ("jos\u00e9", "jose\u0301", True),
        ("ann", "ann\ufe0f", True),
        ("ann", "a\u034fnn", True),
        ("ann", "ann\u3164", True),
        ("ann", "ann\u2800", True),
        ("ann lee", "Ann  Lee", True),
        ("ann", "anna", False),
        ("ann", "an n", False),
        ("ann", "änn", False),
        ("jose", "josé", False),
    ],
)
def test_capital_letters_do_not_make_another_person(one: str, other: str, *, same: bool) -> None:
    assert is_same_person(one, other) is same
    assert is_same_person(other, one) is same
