"""Secrets of our programs that come from files, read once at a program's start, and who else could read them."""

import os
import stat
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from urllib.parse import quote, urlsplit

from stockkeeper.client.secret_files import SUFFIX, content_of, secret_of
from stockkeeper.contracts.errors import StockkeeperError
from stockkeeper.contracts.settings import PREFIX, SECRET_SETTINGS

SECRETS = (
    "DATABASE_URL",
    "TEMPORAL_API_KEY",
    f"{PREFIX}CODEC_TOKEN",
    *(f"{PREFIX}{name}" for name in sorted(SECRET_SETTINGS)),
)
"""Variables that may come from a file, beside those that a client reads where it needs them."""
OF_TRACES = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")
"""OpenTelemetry's, which may hold a key of whoever keeps the traces."""
DATABASE_URL = "DATABASE_URL"
DATABASE_PASSWORD_FILE = "DATABASE_PASSWORD_FILE"  # noqa: S105 - a variable's name
"""Names the file with the password alone, as it is: nothing in it needs to be encoded as in a URL."""
_OF_OTHERS = ("TEMPORAL_TLS_CLIENT_KEY_PATH", "PGPASSFILE", "PGSSLKEY")
"""Variables of Temporal's client and PostgreSQL's that name a file with a secret."""


def named_files(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that name a file with a secret, each with the file; before `read_secret_files` takes them."""
    return {
        name: path
        for name, path in sorted(environ.items())
        if path and (name in _OF_OTHERS or (name.endswith(SUFFIX) and _is_ours(name.removesuffix(SUFFIX))))
    }


def _is_ours(name: str) -> bool:
    return name in {*SECRETS, *OF_TRACES, "DATABASE_PASSWORD"} or name.startswith(PREFIX)


def readable_by_others(path: str) -> bool:
    """Whether every account of this machine gets at a file: it and all directories above it let others in.

    False for one that isn't there, and on Windows, whose rights are of another kind.
    """
    if os.name == "nt":
        return False
    file = Path(path).absolute()
    try:
        return bool(file.stat().st_mode & stat.S_IROTH) and all(
            above.stat().st_mode & stat.S_IXOTH for above in file.parents
        )
    except OSError:
        return False


def read_secret_files(environ: MutableMapping[str, str]) -> None:
    """Set the variables whose files are named, in place of the file's name; once, at a program's start.

    Args:
        environ: The environment's variables.

    Raises:
        StockkeeperError: A file can't be read or is empty, or a secret is given in two ways.
    """
    for name in (*SECRETS, *OF_TRACES):
        content = secret_of(environ, name)
        if environ.pop(name + SUFFIX, "") and content is not None:
            environ[name] = content
    if path := environ.pop(DATABASE_PASSWORD_FILE, ""):
        environ[DATABASE_URL] = _with_password(environ.get(DATABASE_URL, ""), content_of(DATABASE_PASSWORD_FILE, path))


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
