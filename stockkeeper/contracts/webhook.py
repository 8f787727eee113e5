"""Webhooks by Standard Webhooks: URLs that events may be sent to, and the secrets that sign them."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, Field

KEY = "STOCKKEEPER_WEBHOOK_KEY"
"""The variable with the key of which the secrets of all subscribers are derived; ``_FILE`` behind it names a file."""
SHORTEST_KEY = 32
CONTENT_TYPE = "application/cloudevents+json"
"""CloudEvents in structured mode: the whole event is the body."""
_PREFIX = "whsec_"
_GRAPHIC = re.compile(r"[!-\[\]-~]+")
_URL = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9._-]*)(:(?P<port>[0-9]{1,5}))?([/?].*)?")
_LONGEST_HOST = 80
_NO_URL = "must be a URL such as https://shop.example.com/stock"


def signing_secret(key: str, name: str, generation: int) -> str:
    """The secret by which a subscriber's webhooks are signed, as the Standard Webhooks libraries take it.

    Args:
        key: The key of the workers, which it is derived from: it is stored nowhere.
        name: The subscriber's name.
        generation: The number of the secret, from 1: it rises when it is changed.
    """
    derived = hmac.new(key.encode(), f"stockkeeper webhook\n{name}\n{generation}".encode(), hashlib.sha256).digest()
    return _PREFIX + base64.b64encode(derived).decode()


def default_name(url: str, types: Iterable[str] = ()) -> str:
    """The name of a subscriber that is given none: the URL's host, and eight digits of the whole URL and the types.

    Args:
        url: The URL.
        types: Its types of events, in any order.
    """
    place = _URL.fullmatch(url)
    host = re.sub(r"[^A-Za-z0-9.-]+", "-", place[1] if place else "").strip("-.")[:_LONGEST_HOST]
    # A query may hold a password, and many read workflow ids: each guess at it has to take long.
    digits = hashlib.scrypt(
        "\n".join([url, *sorted({*types})]).encode(errors="replace"),
        salt=b"stockkeeper subscriber",
        n=2**14,
        r=8,
        p=1,
        dklen=4,
    ).hex()
    return f"{host or 'webhook'}-{digits}"


def shown(url: str) -> str:
    """A URL as people may see it: without its query, in which there may be a password."""
    return url.partition("?")[0]


def _url(text: str) -> str:
    # Strictly, so that no two programs read it in two ways.
    if not _GRAPHIC.fullmatch(text):
        raise ValueError(f"{_NO_URL}, in ASCII and without spaces")
    if "@" in text.partition("://")[2].partition("/")[0]:
        raise ValueError("must have no user or password: receivers know the sender by the signature")
    if "#" in text:
        raise ValueError("must have no fragment (#)")
    parts = _URL.fullmatch(text)
    if parts is None or int(parts["port"] or 1) not in range(1, 65_536):
        raise ValueError(_NO_URL)
    return text


WebhookUrl = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2000,
        description="Where events are sent by POST: https, unless the workers allow http.",
    ),
    AfterValidator(_url),
]
