"""The key of webhooks of an embedded stack: made with its data, and kept beside it."""

import os
import secrets
from pathlib import Path

from devstack.processes import StackError
from stockkeeper.client.secret_files import content_of
from stockkeeper.contracts.webhook import KEY, SHORTEST_KEY

FILE = "webhook-key"


def kept_key(data_dir: Path) -> str:
    """The key in a data directory, readable by its owner only; it is made if there is none.

    Args:
        data_dir: The directory.

    Raises:
        StackError: It can't be read or written, or isn't a key.
    """
    file = data_dir / FILE
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        pass
    except OSError as error:
        raise StackError(f"{file} can't be written: {error.strerror}") from None
    else:
        with os.fdopen(descriptor, "w") as made:
            made.write(f"{secrets.token_urlsafe(32)}\n")
    key = content_of(f"{KEY}_FILE", str(file))
    if len(key) < SHORTEST_KEY:
        raise StackError(f"{file} has no key: at least {SHORTEST_KEY} characters; remove it to have another one made")
    return key
