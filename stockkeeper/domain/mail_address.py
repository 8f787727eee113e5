"""Mail addresses: which can be written to, and how a mail server has to be given one."""

import re
import unicodedata
from email.utils import parseaddr

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_PLAIN = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_QUOTED = re.compile(r'"(?:[ !#-\[\]-~]|\\[ -~])*"')
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", re.IGNORECASE)
# The letters, marks and digits of any script. Capitals have become small by then.
_IN_A_DOMAIN = frozenset({"Ll", "Lo", "Lm", "Mn", "Mc", "Nd"})
_NAME_LENGTH, _LABEL_LENGTH, _LENGTH = 64, 63, 254


def deliverable(address: str) -> str:
    """The address as it goes to a mail server: exactly this mailbox, in ASCII.

    Apostrophes, and commas and spaces in quotation marks, are part of an address. A domain with letters beyond ASCII
    goes out in its ``xn--`` form (IDNA 2008). Before the ``@`` such letters are refused: few servers take them.

    Raises:
        ValueError: No mail can be sent to it. The message is a rule, and doesn't repeat the address.
    """
    name, at, domain = address.rpartition("@")
    if not (name and at and domain):
        raise ValueError("must be a mail address")
    if not name.isascii():
        raise ValueError("must be a mail address with only a to z before the @; few servers take other letters")
    if not (_PLAIN.fullmatch(name) or _QUOTED.fullmatch(name)):
        raise ValueError(
            "must be a mail address; commas, spaces and brackets before the @ need quotation marks, such as "
            '"Mill, Ann"@example.com'
        )
    written = f"{name}@{'.'.join(_label(label) for label in domain.split('.'))}"
    if len(name) > _NAME_LENGTH or len(written) > _LENGTH:
        raise ValueError("must be a mail address of at most 254 letters, 64 of them before the @")
    if parseaddr(written)[1] != written:
        raise ValueError("must be a mail address")
    return written


def _label(label: str) -> str:
    """A part of a domain in ASCII."""
    text = label if label.isascii() else _encoded(unicodedata.normalize("NFC", label.lower()))
    if len(text) > _LABEL_LENGTH or not _LABEL.fullmatch(text):
        raise ValueError("must be a mail address with a domain after the @, such as example.com")
    return text


def _encoded(label: str) -> str:
    # A letter that stands for others, such as a ligature, would be another domain in another program.
    plain = unicodedata.normalize("NFKC", label) == label
    letters = all(character == "-" or unicodedata.category(character) in _IN_A_DOMAIN for character in label)
    ends = label.strip("-") == label and not unicodedata.category(label[0]).startswith("M")
    return f"xn--{label.encode('punycode').decode('ascii')}" if plain and letters and ends else ""
