"""Stock that many clients want at once: what may be refused, and what may not.

While commands are under way nobody outside knows in which order they are carried out. So of each item there are two
numbers: what is available at least, if all that take have taken and all that give haven't yet, and at most, if it is
the other way round. A refusal is right if its number lay between the two at some instant of the call; an acceptance, if
enough may have been there. When nothing is under way, the two are one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.faults.simulation.model.books import Key
from tests.faults.simulation.model.outcome import Answer, Answered, Outcome, Refused

Json = Any


@dataclass(eq=False)
class Window:
    """What was available during one call, beside the call's own units. Two calls may want the same.

    Attributes:
        wanted: Units by item that the call wants.
        least: The least that may have been available at an instant of it.
        most: The most.
    """

    wanted: Mapping[Key, int]
    least: dict[Key, int] = field(default_factory=dict)
    most: dict[Key, int] = field(default_factory=dict)


class Bounds:
    """What is available of some items, at least and at most."""

    def __init__(self) -> None:
        self._least: dict[Key, int] = {}
        self._most: dict[Key, int] = {}
        self._open: list[Window] = []

    def begin_with(self, key: Key, units: int) -> None:
        """An item, while nothing is under way."""
        self._least[key] = self._most[key] = units

    def exact(self, key: Key) -> int | None:
        """What is available; None: something is under way."""
        return self._least[key] if self._least[key] == self._most[key] else None

    def takes(self, wanted: Mapping[Key, int]) -> Window:
        """A call is sent that takes all of these units or none."""
        window = Window(wanted)
        self._open.append(window)
        self._change(self._least, wanted, -1)
        return window

    def took(self, window: Window, *, accepted: bool) -> None:
        """Its answer has come."""
        self._open.remove(window)
        if accepted:
            self._change(self._most, window.wanted, -1)
        else:
            self._change(self._least, window.wanted, 1)

    def gives(self, units: Mapping[Key, int]) -> None:
        """A call is sent that gives units back."""
        self._change(self._most, units, 1)

    def gave(self, units: Mapping[Key, int]) -> None:
        """It has been carried out."""
        self._change(self._least, units, 1)

    def _change(self, side: dict[Key, int], units: Mapping[Key, int], sign: int) -> None:
        for key, number in units.items():
            side[key] += sign * number
        for window in self._open:
            for key, own in window.wanted.items():
                # The call's own units are counted as taken, and don't stand in its own way.
                least, most = self._least[key] + own, self._most[key]
                window.least[key] = min(window.least.get(key, least), least)
                window.most[key] = max(window.most.get(key, most), most)


@dataclass(frozen=True)
class HeldOrShort:
    """A hold that may be right, or a shortage that may be."""

    window: Window
    held: Json

    def differs(self, outcome: Outcome) -> str | None:
        """See `Expected`."""
        window = self.window
        if isinstance(outcome, Answered):
            for key, units in window.wanted.items():
                if window.most[key] < units:
                    return f"{units} of {key} are held, and never more than {window.most[key]} were available"
            return Answer(self.held).differs(outcome)
        if not isinstance(outcome, Refused) or outcome.type != "InsufficientStock":
            return f"it was {outcome}"
        if not outcome.details:
            return "it says nothing of what is short"
        problems = [self._wrong(each) for each in outcome.details]
        return next((problem for problem in problems if problem), None)

    def _wrong(self, short: Json) -> str | None:
        key = Key(short["warehouse_id"], short["product_id"])
        units, available = self.window.wanted.get(key), short["available"]
        if units is None or short["requested"] != units:
            return f"{short} isn't about what was asked for"
        least, most = self.window.least[key], self.window.most[key]
        if available >= units or not max(least, 0) <= available <= most:
            return f"{short}, and between {least} and {most} were available during the call"
        return None
