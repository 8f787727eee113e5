"""How time passes in a simulation: as it does, or skipped over hours and days."""

from dataclasses import dataclass

_HOUR, _DAY = 3_600.0, 86_400.0


@dataclass(frozen=True)
class Pace:
    """How far away deadlines are. A script waits for a short one; a far one never comes.

    Attributes:
        short: Seconds from which a short deadline is chosen.
        far: Seconds to a far one.
    """

    short: tuple[float, ...]
    far: float


REAL_TIME = Pace(short=(0.3, 1.2), far=_HOUR)
SKIPPED_TIME = Pace(short=(_HOUR, 5 * _HOUR, _DAY, 3 * _DAY), far=366 * _DAY)
"""With a server that skips time: as far away as the contract allows. So a simulation skips a year at most."""
