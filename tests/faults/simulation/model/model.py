"""The model of some clients: their stock, their documents, and the runs behind them."""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from tests.faults.simulation.model.books import Books, Key


class Document(Protocol):
    """A document of any kind."""

    @property
    def workflow_id(self) -> str:
        """Its workflow's id."""
        ...


@dataclass
class Model:
    """What one lane, or all lanes that share stock, have brought about.

    Attributes:
        books: The stock.
        documents: By workflow type, then by the document's number.
        shelf: The lots of items that are tracked (`model.lot.Lot`).
        open_runs: Workflow ids of which a run has to be open now.
        ended_runs: Workflow ids of which the latest run has to be closed, and how (``COMPLETED``, ``FAILED``, ...).
    """

    books: Books = field(default_factory=Books)
    documents: dict[str, Mapping[str, Document]] = field(default_factory=dict)
    shelf: dict[Key, list[Any]] = field(default_factory=dict)
    open_runs: set[str] = field(default_factory=set)
    ended_runs: dict[str, str] = field(default_factory=dict)

    def kept_in(self, database: str) -> "Model | None":
        """What one of several databases has to have of it: its warehouses and all documents; None: nothing."""
        homes = self.books.homes
        if all(home == database for home in homes.values()):
            return self
        here = copy(self.books)
        here.items = {key: level for key, level in here.items.items() if homes[key.warehouse_id] == database}
        here.homes = {warehouse: home for warehouse, home in homes.items() if home == database}
        shelf = {key: lots for key, lots in self.shelf.items() if key in here.items}
        return replace(self, books=here, shelf=shelf) if here.homes else None

    def begins(self, workflow_id: str) -> None:
        """A run is open."""
        self.open_runs.add(workflow_id)
        self.ended_runs.pop(workflow_id, None)

    def ends(self, workflow_id: str, how: str = "COMPLETED") -> None:
        """The run closes."""
        self.open_runs.discard(workflow_id)
        self.ended_runs[workflow_id] = how
