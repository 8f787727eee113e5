"""Files that are imported in pages: sent again, in a wrong order, with bad rows, given up, and begun anew."""

import base64
import gzip
import hashlib
import json
import random
from collections.abc import Sequence
from typing import Any

from tests.faults.simulation.lanes.documents import DONE, UNKNOWN
from tests.faults.simulation.lanes.lane import Catalogue, Lane
from tests.faults.simulation.model.import_file import KIND, Day, Demand, File, loading, pages_of
from tests.faults.simulation.model.outcome import ANYTHING, Answer, Expected, NoRun, OneOf, Refusal, Taken
from tests.faults.simulation.script import Command, How, Intervention, Look, Operate, Result, Script, Send

Json = Any
_COLUMNS = ["product_id", "warehouse_id", "day", "quantity"]
_DAYS = 40


class ImportLane(Lane):
    """Demand of two products in one warehouse."""

    kind = "import"
    bears_skipped_time = False  # A file of which nothing comes for an hour is abandoned.

    def set_up(self, catalogue: Catalogue) -> None:
        """The warehouse has no stock: nothing of it is reordered."""
        self._products = [self.new_product(catalogue) for _ in range(2)]
        self._warehouse = self.new_warehouse(catalogue)
        self.demand = Demand()
        self.model.documents[KIND] = self.demand.files
        self._latest: File | None = None

    def turn(self, chance: random.Random) -> Script:
        """One file, from its start to its end; or the latest one again."""
        ways = [self._whole, self._bad, self._given_up, self._again]
        yield from chance.choices(ways, [6, 2, 1, 2])[0](chance)
        self.digest.names = {text: name for text, name in self.digest.names.items() if name != '"page"'}

    def _file(self, chance: random.Random) -> File:
        days = [
            Day(product, self._warehouse, f"2025-{month:02}-{day:02}")
            for product in self._products
            for month in (1, 2)
            for day in range(1, _DAYS // 2 + 1)
        ]
        rows = {day: chance.randint(0, 9) for day in chance.sample(days, chance.randint(1, 12))}
        digest = hashlib.sha256(self.reference("file").encode()).hexdigest()[:16]
        self.digest.names |= {digest: f"file {len(self.demand.files)}"}
        return self.demand.files.setdefault(digest, File(digest, rows))

    def _open(self, file: File, expected: Expected) -> Script:
        start = {"kind": "demand", "file_name": "sold.csv", "digest": file.digest, "columns": _COLUMNS}
        start |= {"performed_by": self.name}
        yield Send(Command(How.ASK, file.workflow_id, "opened", (), KIND, start), expected)

    def _send(self, file: File, name: str, payload: Json, expected: Expected) -> Script:
        key = self.reference("key")
        payload = {"performed_by": self.name, **payload}
        yield Send(Command(How.UPDATE, file.workflow_id, name, (payload,), key=key), expected)

    def _page(self, file: File, number: int, rows: Sequence[Json], expected: Expected) -> Script:
        packed = base64.b64encode(gzip.compress(json.dumps(rows).encode(), mtime=0)).decode()
        self.digest.names[f'"{packed}"'] = '"page"'  # It has ids of this run.
        yield from self._send(file, "add_page", {"page": number, "rows": packed}, expected)

    def _pages(self, chance: random.Random, file: File) -> Script:
        """All pages, some of them twice; before the last one the file isn't whole."""
        pages = pages_of(file, chance.choice([3, 5, 20]))
        for number, rows in enumerate(pages):
            there = Answer(loading(pages[: number + 1]))
            if number and chance.random() < 0.2:
                whole = {"pages": len(pages), "rows": len(file.rows)}
                yield from self._send(file, "finish", whole, Refusal("InvalidRequest"))
            yield from self._page(file, number, rows, there)
            if chance.random() < 0.2:
                yield from self._page(file, number, rows, there)

    def _finish(self, file: File, pages: int, expected: Expected) -> Script:
        yield from self._send(file, "finish", {"pages": pages, "rows": len(file.rows)}, expected)

    def _whole(self, chance: random.Random) -> Script:
        """A file that takes effect; its run may be terminated before, and then its pages are sent anew."""
        file, size = self._file(chance), chance.choice([3, 5, 20])
        pages = pages_of(file, size)
        yield from self._open(file, Answer(loading([])))
        if chance.random() < 0.2:
            yield from self._pages(chance, file)
            yield Operate(Intervention.TERMINATE, file.workflow_id, DONE)
            yield from self._send(file, "finish", {"pages": 1, "rows": 1}, NoRun())
            yield from self._open(file, Answer(loading([])))
        for number, rows in enumerate(pages):
            yield from self._page(file, number, rows, Answer(loading(pages[: number + 1])))
        if chance.random() < 0.2:
            yield Operate(Intervention.RESET, file.workflow_id, DONE, key=self.reference("reset"))
            yield Look(file.workflow_id, Answer(loading(pages)), patience=True)
        done = Answer(self.demand.imported(file))
        if chance.random() < 0.3:
            payload = {"performed_by": self.name, "pages": len(pages), "rows": len(file.rows)}
            yield Send(Command(How.SIGNAL, file.workflow_id, "finish", (payload,), key=self.reference("key")), Taken())
        else:
            yield from self._finish(file, len(pages), done)
        yield Result(file.workflow_id, done)
        self._latest = file

    def _bad(self, chance: random.Random) -> Script:
        """One row names what isn't there: nothing of the file counts."""
        file = self._file(chance)
        file.rows = {**file.rows, Day(UNKNOWN, self._warehouse, "2025-01-01"): 1}
        yield from self._open(file, Answer(loading([])))
        pages = pages_of(file, 5)
        for number, rows in enumerate(pages):
            yield from self._page(file, number, rows, Answer(loading(pages[: number + 1])))
        file.status = "REFUSED"
        yield from self._finish(file, len(pages), Refusal("InvalidRequest", {"errors": ANYTHING, "errors_total": 1}))
        yield Result(file.workflow_id, Answer({"status": "REFUSED", "errors_total": 1, "inserted": 0, "updated": 0}))

    def _given_up(self, chance: random.Random) -> Script:
        """An operator cancels its run: its pages are deleted."""
        file = self._file(chance)
        yield from self._open(file, Answer(loading([])))
        yield from self._pages(chance, file)
        file.status = "ABANDONED"
        yield Operate(Intervention.CANCEL, file.workflow_id, DONE)
        yield Result(file.workflow_id, Answer({"status": "ABANDONED", "inserted": 0, "updated": 0}))

    def _again(self, chance: random.Random) -> Script:
        """The latest file changes nothing: it was the last of its kind, or all of its rows are as they are."""
        if self._latest is None:
            yield from self._whole(chance)
            return
        file, pages = self._latest, pages_of(self._latest, 20)
        was_last = {"status": "IMPORTED", "already_imported": True}
        yield from self._open(file, OneOf((Answer(was_last), Answer(loading([])))))
        unchanged = Answer({"status": "IMPORTED", "inserted": 0, "updated": 0, "unchanged": len(file.rows)})
        yield from self._page(file, 0, pages[0], OneOf((Answer(loading(pages)), NoRun(), Answer(was_last))))
        yield from self._finish(file, len(pages), OneOf((unchanged, NoRun(), Answer(was_last))))
        yield Result(file.workflow_id, OneOf((unchanged, Answer(was_last))))
