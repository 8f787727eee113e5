"""Secrets from files: the file that ``X_FILE`` names holds what the variable ``X`` would be set to.

A password among the variables is seen by whoever may look at the container or the process; a mounted file isn't.
"""

from collections.abc import Mapping
from pathlib import Path

from stockkeeper.contracts.errors import StockkeeperError

SUFFIX = "_FILE"
"""Behind a variable's name: that of the variable that names the file."""


def secret_of(environ: Mapping[str, str], name: str) -> str | None:
    """A secret, from its variable or from the file that is named; None: neither is set.

    Args:
        environ: The environment's variables.
        name: The variable's name, without `SUFFIX`.

    Raises:
        StockkeeperError: Both are set, or the file can't be read or is empty. The message has nothing of the content.
    """
    value, path = environ.get(name, ""), environ.get(name + SUFFIX, "")
    if not path:
        return value or None
    if value:
        raise StockkeeperError(f"{name} and {name}{SUFFIX} are both set: keep one of them")
    return content_of(name + SUFFIX, path)


def content_of(variable: str, path: str) -> str:
    """What a file holds, without the line's end that editors write behind it.

    Args:
        variable: The variable that names the file, for the message.
        path: The file.

    Raises:
        StockkeeperError: The file can't be read or is empty.
    """
    try:
        content = Path(path).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it isn't text in UTF-8"
        raise StockkeeperError(f"{variable} names {path}, which can't be read: {why}") from None
    if not content.strip():
        raise StockkeeperError(f"{variable} names {path}, which is empty")
    return content
