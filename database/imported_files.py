"""Files in the order in which they took effect, to recognise one that nothing later has changed."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Index, Integer, Table, Text, UniqueConstraint, func, select
from sqlalchemy.dialects.postgresql import insert

from database.columns import METADATA, identity, needed
from database.operations import Operation, result_of
from stockkeeper.domain.import_file import ImportKind

imported_files = Table(
    "imported_files",
    METADATA,
    identity("position"),
    needed("kind", Text),
    needed("import_id", Text),
    needed("application", Integer),
    needed("operation_id", Text),
    UniqueConstraint("import_id", "application", name="imported_files_import_id_application_key"),
    Index("imported_files_by_kind", "kind", "position"),
)


@dataclass(frozen=True)
class Earlier:
    """An earlier import of a file.

    Attributes:
        applications: How often it was applied.
        result: Of the last time, if no other file of its kind took effect since; else None.
    """

    applications: int
    result: Any | None


def read_earlier(connection: Connection, import_id: str) -> Earlier:
    """The earlier imports of a file. Locks nothing."""
    file = imported_files.c
    last = connection.execute(
        select(file.kind, file.position, file.application, file.operation_id)
        .where(file.import_id == import_id)
        .order_by(file.application.desc())
        .limit(1)
    ).one_or_none()
    if last is None:
        return Earlier(0, None)
    newest = connection.execute(select(func.max(file.position)).where(file.kind == last.kind)).scalar_one()
    current = result_of(connection, last.operation_id) if newest == last.position else None
    return Earlier(last.application, current)


def keep_import(connection: Connection, operation: Operation, kind: ImportKind, import_id: str) -> None:
    """Note that a file takes effect now. The caller holds the locks of its rows, so that the order is right."""
    file = imported_files.c
    application = select(func.coalesce(func.max(file.application), 0) + 1).where(file.import_id == import_id)
    connection.execute(
        insert(imported_files).values(
            kind=kind,
            import_id=import_id,
            application=application.scalar_subquery(),
            operation_id=operation.operation_id,
        )
    )
