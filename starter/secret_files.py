"""Secrets from files, for programs in containers: the file that ``X_FILE`` names holds what ``X`` would be set to.

A password among the variables is seen by whoever may look at the container or the process; a mounted file isn't.
"""

from collections.abc import MutableMapping
from pathlib import Path
from urllib.parse import quote, urlsplit

from stockkeeper.contracts.errors import StockkeeperError
from stockkeeper.contracts.settings import PREFIX, SECRET_SETTINGS

SECRETS = ("DATABASE_URL", "TEMPORAL_API_KEY", *(f"{PREFIX}{name}" for name in sorted(SECRET_SETTINGS)))
"""Variables that may come from a file."""
DATABASE_URL = "DATABASE_URL"
DATABASE_PASSWORD_FILE = "DATABASE_PASSWORD_FILE"  # noqa: S105 - a variable's name
"""Names the file with the password alone, as it is: nothing in it needs to be encoded as in a URL."""


def read_secret_files(environ: MutableMapping[str, str]) -> None:
    """Set the variables whose files are named, in place of the file's name; once, at a program's start.

    Args:
        environ: The environment's variables.

    Raises:
        StockkeeperError: A file can't be read or is empty, or a secret is given in two ways.
    """
    for name in SECRETS:
        if (content := _taken(environ, f"{name}_FILE")) is None:
            continue
        if environ.get(name):
            raise StockkeeperError(f"{name} and {name}_FILE are both set: keep one of them")
        environ[name] = content
    if (password := _taken(environ, DATABASE_PASSWORD_FILE)) is not None:
        environ[DATABASE_URL] = _with_password(environ.get(DATABASE_URL, ""), password)


def _taken(environ: MutableMapping[str, str], name: str) -> str | None:
    """The content of the file that a variable names, without the line's end; the variable is gone afterwards."""
    if not (path := environ.pop(name, "")):
        return None
    try:
        content = Path(path).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it isn't text in UTF-8"
        raise StockkeeperError(f"{name} names {path}, which can't be read: {why}") from None
    if not content:
        raise StockkeeperError(f"{name} names {path}, which is empty")
    return content


def _with_password(url: str, password: str) -> str:
    """The URL with the password in it."""
    try:
        parts = urlsplit(url)
        has_user, has_password = bool(parts.username), parts.password is not None
    except ValueError:
        has_user, has_password = False, False
    if not has_user:
        raise StockkeeperError(
            f"{DATABASE_PASSWORD_FILE} needs a {DATABASE_URL} with the user: postgresql://user@host:port/database"
        )
    if has_password:
        raise StockkeeperError(f"{DATABASE_URL} has a password, and {DATABASE_PASSWORD_FILE} is set: keep one of them")
    user, _, place = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}:{quote(password, safe='')}@{place}").geturl()
