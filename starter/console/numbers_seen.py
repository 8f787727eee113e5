"""Who has seen the numbers of a count: they decide about it, and don't count it, for a second count has to be blind."""

from collections import OrderedDict

from stockkeeper.contracts.cycle_count import is_same_person
from stockkeeper.contracts.errors import NotPermitted

MOST = 10_000


class NumbersSeen:
    """Who asked for the numbers of a count, of the latest counts, as long as this process runs."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, list[str]] = OrderedDict()

    def by(self, person: str, number: str) -> None:
        """Remember that this person has seen the numbers of this count."""
        people = self._seen.setdefault(number, [])
        if person not in people:
            people.append(person)
        if len(self._seen) > MOST:
            self._seen.popitem(last=False)

    def require_blind(self, person: str, number: str, said: str) -> None:
        """Refuse whoever has seen them.

        Raises:
            NotPermitted: This person has.
        """
        if any(is_same_person(person, each) for each in self._seen.get(number, ())):
            raise NotPermitted(said)


NUMBERS_SEEN = NumbersSeen()
