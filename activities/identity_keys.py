"""The identity provider's public keys: read from a file or fetched, and read again when they change."""

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey

REFRESHED_AFTER = timedelta(minutes=5)
"""Keys that were taken out by the provider are refused this much later at most."""
FETCHED_AT_MOST_EVERY = timedelta(seconds=10)
"""Tokens of unknown keys, which any caller can send, lead to no more requests than that."""
_ANSWERED_WITHIN_SECONDS = 5.0
_LARGEST = 1024 * 1024
_PUBLIC = (RSAKey, ECKey, OKPKey)
_HERE = {"localhost", "127.0.0.1", "::1"}


class KeysUnavailable(Exception):
    """The keys can't be read at present."""


def require_place(place: str) -> None:
    """Check the place of the keys: a file's path, or a URL that nobody on the way can change the answer of.

    Raises:
        ValueError: It is neither.
    """
    parts = urlsplit(place)
    if parts.scheme in ("http", "https") and (parts.scheme == "https" or parts.hostname in _HERE):
        return
    if "://" in place:
        raise ValueError("must be a file's path, or a URL with https://")


class Keys:
    """The keys of one issuer.

    Args:
        place: A file with a JSON Web Key Set, or the URL of one.
        clock: Seconds that only rise.
    """

    def __init__(self, place: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._place = place
        self._is_file = "://" not in place
        self._clock = clock
        self._keys: KeySet | None = None
        self._as_of: object = None
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def current(self, wanted: str | None = None) -> KeySet:
        """The keys, read again if they may have changed.

        Args:
            wanted: The id of the key that is asked for: if it isn't among them, they are read again.

        Raises:
            KeysUnavailable: They can't be read, and never could.
        """
        if self._is_current(wanted):
            return self._known()
        async with self._reading:
            if not self._is_current(wanted):
                await asyncio.to_thread(self._read)
        return self._known()

    def read(self) -> KeySet:
        """Read the keys now.

        Raises:
            KeysUnavailable: They can't be read, or there are none.
        """
        as_of = self._file_time()
        keys = _key_set(self._content())
        self._keys, self._as_of = keys, as_of
        return keys

    def _read(self) -> None:
        self._read_at = self._clock()
        try:
            self.read()
        except KeysUnavailable:
            # Those that were known go on; the next message tries again.
            if self._keys is None:
                raise

    def _is_current(self, wanted: str | None) -> bool:
        age = timedelta(seconds=self._clock() - self._read_at) if self._read_at > float("-inf") else timedelta.max
        if self._keys is None:
            return age < FETCHED_AT_MOST_EVERY and not self._is_file
        if self._is_file:
            return self._file_time() == self._as_of
        is_unknown = wanted is not None and all(key.kid != wanted for key in self._keys.keys)
        return age < (FETCHED_AT_MOST_EVERY if is_unknown else REFRESHED_AFTER)

    def _known(self) -> KeySet:
        if self._keys is None:
            raise KeysUnavailable("the identity provider's keys can't be read")
        return self._keys

    def _file_time(self) -> object:
        """What changes when the file does; None where the keys aren't in a file."""
        if not self._is_file:
            return None
        try:
            found = Path(self._place).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _content(self) -> bytes:
        try:
            if self._is_file:
                return Path(self._place).read_bytes()
            # The settings have checked the scheme (`require_place`).
            with urllib.request.urlopen(self._place, timeout=_ANSWERED_WITHIN_SECONDS) as answer:  # noqa: S310
                content: bytes = answer.read(_LARGEST)
                return content
        except (OSError, ValueError) as error:
            raise KeysUnavailable(f"the identity provider's keys can't be read: {type(error).__name__}") from None


@cache
def keys_at(place: str) -> Keys:
    """The keys of a place, one and the same for all that verify by them."""
    return Keys(place)


def _key_set(content: bytes) -> KeySet:
    """The public keys of a set; a shared secret among them is none.

    Raises:
        KeysUnavailable: It isn't a set of keys, or has none.
    """
    try:
        keys = KeySet.import_key_set(json.loads(content)).keys
    except (ValueError, TypeError, KeyError, AttributeError, JoseError):
        raise KeysUnavailable("the identity provider's keys aren't a JSON Web Key Set") from None
    public: list[Key] = [key for key in keys if isinstance(key, _PUBLIC)]
    if not public:
        raise KeysUnavailable("the identity provider's keys are none: the set is empty")
    return KeySet(public)
