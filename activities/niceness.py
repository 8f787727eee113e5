"""How a process for bulk work gives way to those that others wait for."""

import os

BULK_NICENESS = 10
"""By how much a process for bulk work alone gives way to others."""


def give_way() -> None:
    """Let this process take a core only while no other wants it, as far as its system knows such a thing."""
    if hasattr(os, "nice"):
        os.nice(BULK_NICENESS)
