"""The services that notices go out by, as the settings name them, and who is reached by each of them.

Apprise reads addresses out of a text: of ``o'brien@example.com`` it makes ``brien@example.com``. So mail addresses are
read here, and handed to it as they are.
"""

import copy
import hashlib
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email.utils import getaddresses
from typing import Any
from urllib.parse import quote, unquote

import apprise
from apprise.plugins.email import NotifyEmail

from stockkeeper.contracts.notice import Notice
from stockkeeper.domain.mail_address import deliverable

ADDRESS = "{email}"
"""The placeholder in a supplier's URL for the address in the supplier's row."""

# Apprise's log of a failure may contain an address or a URL.
logging.getLogger("apprise").setLevel(logging.CRITICAL)
# A URL may have commas of its own: the next URL begins with a scheme.
_BETWEEN_URLS = re.compile(r"[\s,;]+(?=[A-Za-z0-9]+://)")
_BETWEEN_ADDRESSES = re.compile(r"[\s,;]+")
_PLAIN_ADDRESS = "stockkeeper@example.com"
_NO_URLS = "isn't a list of notice URLs as Apprise has them, such as mailto://user:password@example.com"
_Person = tuple[str | bool, str]
"""A recipient as Apprise has it: name (or False), and address."""


class AddressRefused(ValueError):
    """The supplier's address can't be written to; the message doesn't repeat it."""


# Without a repr: there may be passwords in it, which no message may show.
@dataclass(frozen=True, repr=False)
class Delivery:
    """A notice on its way to one recipient, or to one service whose recipients we don't know one by one.

    Attributes:
        name: Its name for as long as the settings name that recipient: nothing is known by its place in a list.
        service: The service, with this recipient only.
    """

    name: str
    service: apprise.NotifyBase

    def send(self, notice: Notice, taken: "Taken") -> bool:
        """Send it, except to those who took it before; whether everybody has it now."""
        if taken.has(self.name):
            return True
        if not isinstance(self.service, NotifyEmail):
            _remember(self, taken)
        # As plain text: otherwise a mail is sent as HTML, in which all lines run together.
        text = apprise.NotifyFormat.TEXT
        sent = bool(apprise.Apprise(self.service).notify(title=notice.title, body=notice.body, body_format=text))
        if sent:
            taken.add(self.name)
        return sent


@dataclass(frozen=True, repr=False)
class Way:
    """A notice URL of the settings.

    Attributes:
        service: Apprise's name of the service, such as ``E-Mail``.
        deliveries: One for each mail address, and one in all for any other service.
    """

    service: str
    deliveries: Sequence[Delivery]


class Taken:
    """Who has taken a notice, by names that give nothing away: a password and an address stand behind each.

    Args:
        salt: The notice, so that the same recipient has another name in the next one.
        names: The names reported by an earlier attempt.
        report: Called with all names whenever there is a new one.
    """

    def __init__(self, salt: str, names: Sequence[object], report: Callable[..., None]) -> None:
        self._salt = salt.encode()
        self._names = {name for name in names if isinstance(name, str)}
        self._report = report

    def has(self, name: str) -> bool:
        """Whether this recipient has it."""
        return self._hidden(name) in self._names

    def add(self, name: str) -> None:
        """Remember, and report, that this recipient has it."""
        self._names.add(self._hidden(name))
        self._report(*sorted(self._names))

    def _hidden(self, name: str) -> str:
        # Slow to compute, so that addresses can't be found by trying.
        return hashlib.scrypt(name.encode(), salt=self._salt, n=2**12, r=8, p=1, dklen=12).hex()


def ways_of(urls: str, address: str | None = None) -> list[Way]:
    """The ways behind Apprise URLs that are separated by spaces, commas or semicolons.

    Args:
        urls: The URLs, with ``{email}`` where a supplier's address belongs.
        address: That address.

    Raises:
        AddressRefused: The supplier's address can't be written to.
        ValueError: A URL isn't one, or names a mail address that can't be written to. The message doesn't repeat it.
    """
    return [_way(url, address) for url in urls_of(urls)]


def urls_of(urls: str) -> list[str]:
    """The single URLs of such a list."""
    return _BETWEEN_URLS.split(urls.strip()) if urls.strip() else []


def _way(url: str, address: str | None) -> Way:
    service = _service(url, address)
    if isinstance(service, NotifyEmail):
        return Way(str(service.service_name), [*_mails(service, url, address)])
    if any("@" in each and f"'{each}" in unquote(url) for each in _strings(vars(service))):
        raise ValueError("has an address with an apostrophe, of which this service would read the end only")
    if address is not None and _reads(_service(url, _PLAIN_ADDRESS), _PLAIN_ADDRESS) and not _reads(service, address):
        raise AddressRefused("the service would read another address out of the supplier's")
    return Way(str(service.service_name), [Delivery(f"{url} {address}", service)])


def _service(url: str, address: str | None) -> apprise.NotifyBase:
    # Quoted, so that an address can't become a part of the URL that means something else.
    given = url if address is None else url.replace(ADDRESS, quote(address, safe=""))
    service = apprise.Apprise.instantiate(given)
    if not isinstance(service, apprise.NotifyBase) and address is not None:
        raise AddressRefused("the supplier's address makes no URL of the service's")
    if not isinstance(service, apprise.NotifyBase):
        raise ValueError(_NO_URLS)  # noqa: TRY004 - pydantic makes a bad setting of a ValueError only
    return service


def _mails(service: Any, url: str, address: str | None) -> Iterator[Delivery]:
    """One mail for each recipient: a mail server that refuses one of them then refuses nothing else."""
    parts = type(service).parse_url(url)
    sender = parts.get("from_addr") or ""
    if "@" in sender:
        service.from_addr = _people([sender], address)[0]
    service.reply_to = {written for _, written in _people([parts.get("reply_to", "")], address)}
    people = _people(parts["targets"], address) or [(False, service.from_addr[1])]
    people += _people([parts.get("cc", ""), parts.get("bcc", "")], address)
    for written, person in {written: (name, written) for name, written in reversed(people)}.items():
        mail = copy.copy(service)
        mail.targets, mail.cc, mail.bcc = [person], set(), set()
        # The server and its login, without the other recipients.
        yield Delivery(f"{service.url_identifier} {written}", mail)


def _people(texts: Sequence[str], address: str | None) -> list[_Person]:
    """The recipients in parts of a URL, exactly as they are written there."""
    found: list[_Person] = []
    for text in texts:
        if '"' in text or "<" in text:
            found += [(name or False, each) for name, each in getaddresses([text])]
        else:
            # A name may stand before a colon, as Apprise has it.
            pieces = [each.rpartition(":") for each in _BETWEEN_ADDRESSES.split(text) if each]
            found += [(name or False, each) for name, _, each in pieces]
    return [(name, _deliverable(address) if address and each == ADDRESS else _recipient(each)) for name, each in found]


def _recipient(written: str) -> str:
    if written == ADDRESS:
        return written  # Only to see whether the URL is one.
    try:
        return deliverable(written)
    except ValueError as refused:
        raise ValueError(f"has a recipient or sender that no mail can be sent to: each {refused}") from None


def _deliverable(address: str) -> str:
    try:
        return deliverable(address)
    except ValueError as refused:
        raise AddressRefused(f"the supplier's mail address can't be written to: it {refused}") from None


def _reads(service: apprise.NotifyBase, address: str) -> bool:
    """Whether the service has this address as a value of its own, such as a recipient."""
    return address in _strings(vars(service))


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _strings([*value, *value.values()])
    elif isinstance(value, list | tuple | set):
        for each in value:
            yield from _strings(each)


def _remember(delivery: Delivery, taken: Taken) -> None:
    """Let a service with several recipients leave out those who took the notice, also in an earlier attempt.

    Apprise asks its services to do so when it tries again by itself (`is_delivered`, `mark_delivered`).
    """
    slot = delivery.service._slot  # noqa: SLF001 - a recipient, and the part of a message that has been cut

    def named(key: object, per_message: bool) -> str | None:  # noqa: FBT001 - as Apprise calls it
        # An object without a value of its own stands for the whole message; `Delivery.send` knows that.
        return f"{delivery.name} {slot(key, per_message)}" if type(key) is not object else None

    def is_delivered(key: Any, per_message: bool = False) -> bool:  # noqa: FBT001, FBT002
        name = named(key, per_message)
        return name is not None and taken.has(name)

    def mark_delivered(key: Any, per_message: bool = False) -> None:  # noqa: FBT001, FBT002
        if (name := named(key, per_message)) is not None:
            taken.add(name)

    vars(delivery.service).update(is_delivered=is_delivered, mark_delivered=mark_delivered)
