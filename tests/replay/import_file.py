"""The ways that an import can go."""

import hashlib

from stockkeeper.contracts.import_file import ImportKind, encode_row, pack_rows, workflow_id
from tests.replay.recording import Scenes
from tests.support.wire import Caller, refusal

_BY = "recorder"


class _Files(Caller):
    """A person with files, which go by kind and digest."""

    workflow_type = "ImportWorkflow"
    prefix = "import-"
    answer_to_start = "opened"


class _File:
    """A file on its way in, command by command."""

    def __init__(self, files: _Files, reference: str) -> None:
        self._files = files
        self._reference = reference
        self._pages = 0
        self._rows = 0

    async def begin(self, *columns: str) -> None:
        """Start, and wait for nothing."""
        request = {
            "kind": (kind := self._reference.partition("-")[0]),
            "file_name": f"{kind}.csv",
            "digest": self._reference.partition("-")[2],
            "columns": columns,
            "performed_by": _BY,
        }
        await self._files.start(self._reference, [request])

    async def add(self, *rows: list[str]) -> None:
        """Send a page."""
        packed = pack_rows([encode_row(line, cells) for line, cells in enumerate(rows, self._rows + 2)])
        page = {"performed_by": _BY, "page": self._pages, "rows": packed}
        await self._files.update(self._reference, "add_page", page)
        self._pages += 1
        self._rows += len(rows)

    async def finish(self) -> None:
        """That was all."""
        all_of_it = {"performed_by": _BY, "pages": self._pages, "rows": self._rows}
        await self._files.update(self._reference, "finish", all_of_it)


class ImportScenes(Scenes[_Files]):
    """Each scene's name makes the file's digest, by which its run goes."""

    service = _Files

    def reference_of(self, scene: str) -> str:
        kind = ImportKind.STOCK if scene == "adjusted" else ImportKind.SUPPLIERS
        digest = hashlib.sha256(scene.encode()).hexdigest()[:16]
        return workflow_id(kind, digest).removeprefix(_Files.prefix)

    async def imported(self, name: str) -> None:
        file, digest = self._file(name), self.reference_of(name)
        await file.begin("name", "email")
        await self._caller.update(digest, "opened")
        await file.add(["Acme", "a@x.at"], ["Best", ""])
        await self._caller.signal(digest, "add_page", {"page": 1})
        await self._caller.signal(digest, "hurry")
        await file.add(["Clark", ""])
        await file.finish()

    async def recognized(self, name: str) -> None:
        """The second run for one file, which finds that the first has imported it."""
        file = self._file(name)
        await file.begin("name")
        await file.add(["Dorn"])
        await file.finish()
        await self._caller.result(self.reference_of(name))
        await file.begin("name")

    async def applied_again(self, name: str) -> None:
        """The second run for one file, after another file of its kind has taken effect."""
        file = self._file(name)
        await file.begin("name", "email")
        await file.add(["Iven", "old@x.at"])
        await file.finish()
        await self._caller.result(self.reference_of(name))
        other = self._file(f"another than {name}")
        await other.begin("name", "email")
        await other.add(["Iven", "new@x.at"])
        await other.finish()
        again = self._file(name)
        await again.begin("name", "email")
        await again.add(["Iven", "old@x.at"])
        await again.finish()

    async def adjusted(self, name: str) -> None:
        """A stock file, which begins an adjustment of an item that has stock."""
        item = self._shop.item(5)
        file = self._file(name)
        await file.begin("product_id", "warehouse_id", "quantity")
        await file.add([str(item.product_id), str(item.warehouse_id), "7"])
        await file.finish()

    async def refused(self, name: str) -> None:
        file = self._file(name)
        await file.begin("name")
        await file.add(["Ems"], ["Ems"])
        await refusal(file.finish())

    async def cancelled(self, name: str) -> None:
        file = self._file(name)
        await file.begin("name")
        await file.add(["Frey"])
        await self._caller.handle(self.reference_of(name)).cancel()

    async def failed(self, name: str) -> None:
        await self._file(name).begin("phone")

    async def refused_start(self, name: str) -> None:
        """Since such a run says in its status that it is refused."""
        await self.failed(name)

    async def continued(self, name: str) -> None:
        """The run that goes on after a long one, with the page that came before."""
        file, digest = self._file(name), self.reference_of(name)
        await file.begin("name")
        await file.add(["Gans"])
        await self._continue(digest)
        await self._caller.signal(digest, "add_page", {"page": 1})
        await file.add(["Haas"])
        await file.finish()

    def _file(self, name: str) -> _File:
        return _File(self._caller, self.reference_of(name))
