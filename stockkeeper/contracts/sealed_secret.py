"""A webhook's secret on its way from a worker to whoever subscribes: sealed, so that Temporal keeps nothing of use.

The client makes a key pair (X25519) for one question and sends the public half. The worker makes another one, agrees
with it on a key (HKDF-SHA-256), and encrypts the secret by it (AES-256-GCM). Subscriber and generation are
authenticated: an answer about another one can't be opened. Nobody keeps a private key, so what Temporal has can't be
opened later either.

It needs `cryptography`, which workers have, and clients by the extra ``encryption``.
"""

import base64
import os
from typing import TYPE_CHECKING, NamedTuple

from stockkeeper.contracts.errors import StockkeeperError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PUBLIC_KEY_BYTES = 32
_NONCE_BYTES = 12
_PURPOSE = b"stockkeeper webhook secret, X25519 HKDF-SHA256 AES-256-GCM\0"


class CannotSeal(StockkeeperError):
    """`cryptography` isn't installed here."""


class NotOpened(StockkeeperError):
    """It wasn't sealed to this key, or is about another subscriber or generation."""


class Sealed(NamedTuple):
    """A secret that only one key opens.

    Attributes:
        public_key: The sealer's public key of this one time, in Base64.
        data: Nonce and ciphertext, in Base64.
    """

    public_key: str
    data: str


class SealingKey:
    """A key pair for one answer.

    Raises:
        CannotSeal: `cryptography` isn't installed.
    """

    def __init__(self) -> None:
        self._private = _new_key()

    @property
    def public(self) -> str:
        """The half to send, in Base64."""
        return _text(self._private.public_key().public_bytes_raw())

    def open(self, sealed: Sealed, name: str, generation: int) -> str:
        """The secret.

        Args:
            sealed: What has come.
            name: The subscriber it was asked for.
            generation: Its generation, as the answer says.

        Raises:
            NotOpened: It wasn't sealed to this key, or for this subscriber and generation.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - an extra

        try:
            theirs, data = public_key_of(sealed.public_key), base64.b64decode(sealed.data, validate=True)
            key = _agreed(self._private, theirs, asked=self.public, answered=sealed.public_key)
            opened = _cipher(key).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], _about(name, generation))
        except (InvalidTag, ValueError):
            raise NotOpened(
                f"the answer about the secret of {name} wasn't made for this question: nothing of it can be trusted"
            ) from None
        return opened.decode()


def seal(secret: str, name: str, generation: int, public_key: str) -> Sealed:
    """Seal a secret so that only the owner of a public key opens it.

    Args:
        secret: The secret.
        name: The subscriber that it is of.
        generation: Its generation.
        public_key: The public key, in Base64.

    Raises:
        ValueError: That is no public key.
    """
    ours = _new_key()
    answered = _text(ours.public_key().public_bytes_raw())
    key = _agreed(ours, public_key_of(public_key), asked=public_key, answered=answered)
    nonce = os.urandom(_NONCE_BYTES)
    return Sealed(answered, _text(nonce + _cipher(key).encrypt(nonce, secret.encode(), _about(name, generation))))


def public_key_of(text: str) -> bytes:
    """The bytes of a public key in Base64.

    Raises:
        ValueError: It isn't one.
    """
    try:
        found = base64.b64decode(text, validate=True)
    except ValueError:
        raise ValueError("must be an X25519 public key in Base64") from None
    if len(found) != PUBLIC_KEY_BYTES:
        raise ValueError("must be an X25519 public key: 32 bytes in Base64")
    return found


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _about(name: str, generation: int) -> bytes:
    return f"{name}\n{generation}".encode()


def _new_key() -> "X25519PrivateKey":
    try:
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey  # noqa: PLC0415 - an extra
    except ImportError:
        raise CannotSeal(
            "`cryptography` isn't installed, by which the secret travels: pip install 'stockkeeper[encryption]'"
        ) from None
    return X25519PrivateKey.generate()


def _agreed(private: "X25519PrivateKey", theirs: bytes, *, asked: str, answered: str) -> bytes:
    """The key that both sides find: of both secrets, and bound to both public keys.

    Raises:
        ValueError: Their key is one by which everybody would find the same.
    """
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey  # noqa: PLC0415 - an extra
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    try:
        shared = private.exchange(X25519PublicKey.from_public_bytes(theirs))
    except ValueError:
        raise ValueError("must be an X25519 public key of which secrets can be made") from None
    info = _PURPOSE + public_key_of(asked) + public_key_of(answered)
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(shared)


def _cipher(key: bytes) -> "AESGCM":
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - an extra

    return AESGCM(key)
