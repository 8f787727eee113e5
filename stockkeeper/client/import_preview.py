"""A look at a file before its import, page by page: what would change, and every bad row."""

from datetime import UTC, datetime

from stockkeeper.client.calls import checked
from stockkeeper.client.connection import Connection
from stockkeeper.client.csv_files import Reading
from stockkeeper.client.questions import ask
from stockkeeper.contracts.import_file import ImportProblem
from stockkeeper.contracts.import_preview import PROBLEMS_SHOWN, Previewed, PreviewedPage, PreviewPage
from stockkeeper.contracts.question import PREVIEW_IMPORT

_CHANGES_KEPT = 1_000
_PROBLEMS_KEPT = 10_000


class ImportPreview(Previewed):
    """What an import of a file would do. Nothing was changed.

    Attributes:
        kind: The kind of the rows.
        file_name: The file's name.
        rows: Rows of the file.
        inserted: Rows that would be new.
        updated: Rows that would change something; of a stock file by adjustments.
        unchanged: Rows that would change nothing.
        skipped: Rows of a stock file whose item has changed since the file was made.
        changes: The first thousand changes.
        changes_total: How many there are.
        problems: Bad rows, by line, whatever is wrong with them; any refuses the file.
        problems_total: How many there are.
    """

    kind: str
    file_name: str
    rows: int = 0


async def preview(connection: Connection, reading: Reading) -> ImportPreview:
    """Ask what each page of a file would change. A row that repeats one of another page is found by the import only.

    Raises:
        Unreachable: No worker answers.
    """
    file = reading.file
    own = [ImportProblem(line=bad.line, column=bad.column, message=bad.message) for bad in reading.bad]
    seen = ImportPreview(kind=file.kind, file_name=file.name, problems=own, problems_total=reading.total)
    for page in file.pages:
        question = checked(
            PreviewPage,
            kind=file.kind,
            digest=file.digest,
            columns=file.columns,
            rows=page.packed,
            as_of=datetime.now(UTC),
        )
        _add(seen, await ask(connection, PREVIEW_IMPORT, question), reading.bad_lines)
    seen.problems.sort(key=lambda bad: bad.line)
    return seen


def _add(seen: ImportPreview, page: PreviewedPage, bad_lines: set[int]) -> None:
    for total in ("rows", "inserted", "updated", "unchanged", "skipped", "changes_total"):
        setattr(seen, total, getattr(seen, total) + getattr(page, total))
    seen.changes += [each for each in page.changes if each.line not in bad_lines][: _CHANGES_KEPT - len(seen.changes)]
    # A row that can't be read was named already.
    more = [each for each in page.problems if each.line not in bad_lines]
    otherwise = page.problems_total - page.unreadable_total
    seen.problems_total += otherwise if otherwise > PROBLEMS_SHOWN else len(more)
    seen.problems += more[: _PROBLEMS_KEPT - len(seen.problems)]
