"""A secret on its way: only who asked opens it, and only as the answer about what it is."""

import sys

import pytest

from stockkeeper.contracts.sealed_secret import CannotSeal, NotOpened, Sealed, SealingKey, seal

SECRET = "whsec_of-the-tests"


def test_who_has_made_the_key_opens_it() -> None:
    key = SealingKey()
    first, second = (seal(SECRET, "shop", 3, key.public) for _ in range(2))
    assert [key.open(each, "shop", 3) for each in (first, second)] == [SECRET, SECRET]
    # Of each answer another key and another nonce.
    assert (first.public_key == second.public_key, first.data == second.data) == (False, False)


def test_another_key_another_name_and_another_generation_do_not() -> None:
    key, other = SealingKey(), SealingKey()
    sealed = seal(SECRET, "shop", 3, key.public)
    wrong = [
        (other, sealed, "shop", 3),
        (key, sealed, "shop2", 3),
        (key, sealed, "shop", 4),
        (key, sealed._replace(public_key=other.public), "shop", 3),
        (key, sealed._replace(data=seal(SECRET, "shop", 3, key.public).data), "shop", 3),
        (key, sealed._replace(data=""), "shop", 3),
        (key, sealed._replace(data="?"), "shop", 3),
        (key, Sealed("", sealed.data), "shop", 3),
    ]
    for opener, answer, name, generation in wrong:
        with pytest.raises(NotOpened, match=f"about the secret of {name} wasn't made for this question"):
            opener.open(answer, name, generation)


@pytest.mark.parametrize("public_key", ["", "?", "AAAA", "A" * 43 + "=", "é"])
def test_what_is_no_public_key_seals_nothing(public_key: str) -> None:
    with pytest.raises(ValueError, match="must be an X25519 public key"):
        seal(SECRET, "shop", 1, public_key)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.x25519", None)
    with pytest.raises(CannotSeal, match=r"pip install 'stockkeeper\[encryption\]'"):
        SealingKey()
