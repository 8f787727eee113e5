"""Encryption of payloads by AES-256-GCM, with keys that have ids (ADR 0072).

The keys come from ``STOCKKEEPER_ENCRYPTION_KEYS_FILE`` or ``STOCKKEEPER_ENCRYPTION_KEYS``. Without them nothing is
encrypted, and `cryptography` isn't imported.
"""

import base64
import binascii
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter, PayloadCodec

from stockkeeper.client.secret_files import secret_of
from stockkeeper.contracts.converter import DATA_CONVERTER, encrypted_by
from stockkeeper.contracts.encryption import ENCODING, KEY_ID, KEYS, KEYS_FILE, key_id_of, no_key, other_key
from stockkeeper.contracts.errors import StockkeeperError

NONE = "none"
"""In the first place: nothing is encrypted, and what is can be read; for the time before all processes have the key."""
KEY_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16
_KEY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PURPOSE = b"stockkeeper payload, AES-256-GCM\0"
"""Authenticated with the key's id: data that the key has encrypted for something else doesn't pass for a payload."""


@dataclass(frozen=True, repr=False)
class Keys:
    """Keys by their ids.

    Attributes:
        by_id: All keys that payloads may be encrypted with.
        current: The id of the one that encrypts from now on; None: nothing is encrypted.
    """

    by_id: Mapping[str, bytes]
    current: str | None

    def __repr__(self) -> str:
        """The ids; a key is never printed."""
        return f"<Keys {', '.join(self.by_id)}; current: {self.current}>"


class _Cipher(Protocol):
    """AES-GCM with a key, as `cryptography` has it."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...


def read_keys(environ: Mapping[str, str]) -> Keys | None:
    """The keys that the environment names; None: none are set.

    Raises:
        StockkeeperError: They can't be read, or don't make sense. The message has no part of a key.
    """
    if (text := secret_of(environ, KEYS)) is None:
        return None
    return parse_keys(text, KEYS_FILE if environ.get(KEYS_FILE) else KEYS)


def parse_keys(text: str, source: str = KEYS) -> Keys:
    """Keys from text: ``id:base64`` each, separated by spaces or lines, the current one first; ``#`` begins a comment.

    Args:
        text: The text; ``none`` in the first place: nothing is encrypted.
        source: Where it is from, for messages.

    Raises:
        StockkeeperError: It doesn't make sense. The message has no part of a key.
    """
    entries = [entry for line in text.splitlines() for entry in line.partition("#")[0].split()]
    encrypts = entries[:1] != [NONE]
    by_id: dict[str, bytes] = {}
    for number, entry in enumerate(entries if encrypts else entries[1:], start=1):
        key_id, colon, encoded = entry.partition(":")
        if not colon or not _KEY_NAME.fullmatch(key_id):
            # What stands there may be a key: it isn't shown.
            raise StockkeeperError(
                f"{source}: entry {number} isn't id:key, the id of at most 64 letters, digits and . _ -"
            )
        if key_id in by_id:
            raise StockkeeperError(f"{source}: key {key_id!r} is there twice")
        try:
            key = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_BYTES:
            raise StockkeeperError(
                f"{source}: key {key_id!r} isn't {KEY_BYTES} bytes in base64; `openssl rand -base64 {KEY_BYTES}` "
                "makes one"
            )
        by_id[key_id] = key
    if not by_id:
        raise StockkeeperError(f"{source} has no keys")
    return Keys(by_id, next(iter(by_id)) if encrypts else None)


class EncryptionCodec(PayloadCodec):
    """Encrypts payloads with the current key, and decrypts those of all keys. What isn't encrypted is read as it is.

    A payload that is encrypted already isn't encrypted again, so that one which goes through twice, as a header that
    several requests share, can be read.

    Args:
        keys: The keys.

    Raises:
        StockkeeperError: `cryptography` isn't installed.
    """

    def __init__(self, keys: Keys) -> None:
        try:
            from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - an extra
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415
        except ImportError:
            needed = "pip install 'stockkeeper[encryption]'"
            raise StockkeeperError(f"{KEYS} are set, and `cryptography` isn't installed: {needed}") from None
        self.keys = keys
        self._ciphers: dict[str, _Cipher] = {key_id: AESGCM(key) for key_id, key in keys.by_id.items()}
        self._bound_to = {key_id: _PURPOSE + key_id.encode() for key_id in keys.by_id}
        # Copied for each payload: a map of metadata takes longer to fill than the data to encrypt.
        self._empty = Payload(metadata={"encoding": ENCODING, KEY_ID: (keys.current or "").encode()})
        self._invalid = InvalidTag

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt each payload, with a random nonce of its own."""
        current = self.keys.current
        if current is None:
            return list(payloads)
        return [
            payload if key_id_of(payload) is not None else self._encrypted(payload, current) for payload in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt each payload that is encrypted.

        Raises:
            UnknownKey: There is no key for one of them.
        """
        return [self._decrypted(payload) for payload in payloads]

    def _encrypted(self, payload: Payload, key_id: str) -> Payload:
        nonce = os.urandom(_NONCE_BYTES)
        hidden = self._ciphers[key_id].encrypt(nonce, payload.SerializeToString(), self._bound_to[key_id])
        encrypted = Payload()
        encrypted.CopyFrom(self._empty)
        encrypted.data = nonce + hidden
        return encrypted

    def _decrypted(self, payload: Payload) -> Payload:
        if (key_id := key_id_of(payload)) is None:
            return payload
        data = payload.data
        # Cut off in the middle, or never made here: its receiver says that it can't be read.
        if len(data) < _NONCE_BYTES + _TAG_BYTES:
            return payload
        if (cipher := self._ciphers.get(key_id)) is None:
            raise no_key(key_id, list(self._ciphers))
        try:
            plain = cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], self._bound_to[key_id])
            return Payload.FromString(plain)
        except (self._invalid, DecodeError):
            raise other_key(key_id) from None


def data_converter(environ: Mapping[str, str] = os.environ) -> DataConverter:
    """Stockkeeper's converter, encrypting if the environment has keys; for clients that are connected otherwise.

    Raises:
        StockkeeperError: The keys can't be read or don't make sense, or `cryptography` isn't installed.
    """
    keys = read_keys(environ)
    return DATA_CONVERTER if keys is None else encrypted_by(EncryptionCodec(keys))
