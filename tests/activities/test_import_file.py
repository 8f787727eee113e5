"""The steps of an import on PostgreSQL: pages that wait, and one transaction in which they count."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from sqlalchemy import Engine, text
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.import_file import ImportSteps
from database.sessions import Database
from stockkeeper.contracts.import_file import (
    Applied,
    ApplyImportStep,
    DiscardImportStep,
    ImportKind,
    OpenImportStep,
    Staged,
    StagePageStep,
    encode_row,
    pack_rows,
)
from stockkeeper.contracts.messages import Step
from tests.support.import_file import new_name
from tests.support.steps.activity import refused

R = TypeVar("R")
S = TypeVar("S", bound=Step)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
Cells = Sequence[str]


class Loading:
    """One file's workflow's side of the activities."""

    def __init__(self, database: Database, kind: str, *columns: str) -> None:
        self.steps = ImportSteps(database)
        self.import_id = new_name(f"import-{kind}")
        self.kind = ImportKind(kind)
        self.columns = list(columns)
        self._steps = itertools.count()

    def stage(self, *rows: Cells, page: int = 0, first_line: int = 2, as_of: datetime | None = None) -> Staged:
        """A page of rows."""
        return self.stage_packed(
            pack_rows([encode_row(line, cells) for line, cells in enumerate(rows, first_line)]), page, as_of
        )

    def stage_packed(self, packed: str, page: int = 0, as_of: datetime | None = None) -> Staged:
        """A page as it is on the wire."""
        step = self._step(StagePageStep, f"page/{page}", as_of, **self._file, page=page, rows=packed)
        return _run("stage_page", self.steps.stage_page, step)

    def apply(
        self, rows: int, pages: int = 1, performed_by: str = "importer", as_of: datetime | None = None
    ) -> Applied:
        """All of it, or nothing."""
        of_all = {"performed_by": performed_by, "pages": pages, "rows": rows}
        step = self._step(ApplyImportStep, "apply", as_of, **self._file, **of_all)
        return _run("apply_import", self.steps.apply_import, step)

    def open(self, as_of: datetime | None = None) -> Applied | None:
        """What is known of the file."""
        step = self._step(OpenImportStep, "open", as_of, apply_operation_id=f"{self.import_id}/apply")
        return _run("open_import", self.steps.open_import, step).applied

    def discard(self, as_of: datetime | None = None) -> int:
        """Forget the pages."""
        step = self._step(DiscardImportStep, "discard", as_of)
        return _run("discard_import", self.steps.discard_import, step).pages

    @property
    def _file(self) -> dict[str, Any]:
        return {"kind": self.kind, "columns": self.columns}

    def _step(self, step: type[S], operation: str, as_of: datetime | None, **fields: Any) -> S:
        """A step of this import, by the importer and a second after the one before, unless told otherwise."""
        usual = {
            "performed_by": "importer",
            "as_of": as_of or NOON + timedelta(seconds=next(self._steps)),
            "import_id": self.import_id,
        }
        return step.model_validate({"operation_id": f"{self.import_id}/{operation}"} | usual | fields)


def _run(name: str, activity: Callable[[Any], R], step: Any) -> R:
    environment = ActivityEnvironment()
    workflow_id = step.operation_id.partition("/")[0]
    environment.info = dataclasses.replace(environment.info, activity_type=name, workflow_id=workflow_id)
    return environment.run(activity, step)


def _pages(engine: Engine, import_id: str) -> list[int]:
    with engine.connect() as connection:
        query = text("SELECT page FROM import_pages WHERE import_id = :import_id ORDER BY page")
        return list(connection.execute(query, {"import_id": import_id}).scalars())


def _suppliers(engine: Engine, *names: str) -> list[tuple[str, str | None]]:
    with engine.connect() as connection:
        query = text("SELECT name, email FROM suppliers WHERE name = ANY(:names) ORDER BY name")
        return [(row.name, row.email) for row in connection.execute(query, {"names": list(names)})]


def test_a_page_sent_twice_is_there_once_and_the_last_one_counts(database: Database, engine: Engine) -> None:
    loading, name = Loading(database, "suppliers", "name", "email"), new_name("supplier")
    assert loading.stage((name, "old@x.at"), ("other", "")) == Staged(pages=1, rows=2)
    assert loading.stage((name, "new@x.at")) == Staged(pages=1, rows=1)
    assert loading.stage((new_name("supplier"), ""), page=1, first_line=3) == Staged(pages=2, rows=2)
    assert loading.apply(rows=2, pages=2) == Applied(rows=2, inserted=2, updated=0, unchanged=0)
    assert _suppliers(engine, name) == [(name, "new@x.at")]


def test_applied_twice_it_happens_once_and_answers_the_same(database: Database, engine: Engine) -> None:
    loading, name = Loading(database, "suppliers", "name"), new_name("supplier")
    loading.stage((name,))
    assert loading.open() is None
    loading.stage((name,))
    applied = loading.apply(rows=1)
    assert applied == Applied(rows=1, inserted=1, updated=0, unchanged=0)
    # The answer was lost: the same is asked for again, by whom and in how many pages ever.
    assert loading.apply(rows=1) == applied
    assert loading.apply(rows=1, pages=7, performed_by="somebody else") == applied
    assert loading.open() == applied
    assert _pages(engine, loading.import_id) == []
    assert _suppliers(engine, name) == [(name, None)]


def test_an_attempt_that_was_begun_before_the_file_ended_or_was_opened_again_changes_no_page(
    database: Database, engine: Engine
) -> None:
    loading, name = Loading(database, "suppliers", "name"), new_name("supplier")
    second = timedelta(seconds=1)
    ended = ("InvalidState", {"status": "", "command": ""})

    def is_refused(*calls: Callable[[], object]) -> None:
        before = _pages(engine, loading.import_id)
        assert [refused(call) for call in calls] == [ended] * len(calls)
        assert _pages(engine, loading.import_id) == before

    loading.open(as_of=NOON)
    loading.stage((name,), as_of=NOON)
    # Opened twice, as the answer of the first time was lost: the page is sent again.
    loading.open(as_of=NOON)
    loading.stage((name,), as_of=NOON + second)
    is_refused(
        lambda: loading.open(as_of=NOON - second),
        lambda: loading.stage((name,), page=1, as_of=NOON - second),
        lambda: loading.discard(as_of=NOON - second),
    )
    assert loading.discard(as_of=NOON + 2 * second) == 1
    assert loading.discard(as_of=NOON + 2 * second) == 0
    is_refused(
        lambda: loading.stage((name,), as_of=NOON + 2 * second),
        lambda: loading.open(as_of=NOON + second),
    )

    # Sent again.
    loading.open(as_of=NOON + 3 * second)
    loading.stage((name,), as_of=NOON + 4 * second)
    applied = loading.apply(rows=1, as_of=NOON + 4 * second)
    assert applied == Applied(rows=1, inserted=1, updated=0, unchanged=0)
    is_refused(lambda: loading.stage((name,), as_of=NOON + 4 * second))
    assert _pages(engine, loading.import_id) == []


def test_pages_that_a_run_has_staged_again_are_deleted_by_the_repeat_of_their_application(
    database: Database, engine: Engine
) -> None:
    loading, name = Loading(database, "suppliers", "name"), new_name("supplier")
    loading.stage((name,))
    applied = loading.apply(rows=1)
    # An operator has reset the run.
    loading.stage((name,))
    assert _pages(engine, loading.import_id) == [0]
    assert loading.apply(rows=1) == applied
    assert _pages(engine, loading.import_id) == []


def test_two_workers_that_apply_at_once_do_it_once(database: Database, engine: Engine) -> None:
    loading, name = Loading(database, "suppliers", "name"), new_name("supplier")
    loading.stage((name,))
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda _: loading.apply(rows=1), range(2)))
    assert answers == [Applied(rows=1, inserted=1, updated=0, unchanged=0)] * 2
    assert _suppliers(engine, name) == [(name, None)]


def test_an_attempt_begun_before_the_one_that_applied_gets_its_result(database: Database, engine: Engine) -> None:
    loading, name = Loading(database, "suppliers", "name"), new_name("supplier")
    loading.stage((name,))
    first = loading.apply(rows=1, as_of=NOON + timedelta(hours=2))
    loading.open(as_of=NOON + timedelta(hours=3))
    loading.stage((name,), as_of=NOON + timedelta(hours=4))
    assert loading.apply(rows=1, as_of=NOON + timedelta(hours=1)) == first
    assert first == Applied(rows=1, inserted=1, updated=0, unchanged=0)
    assert _pages(engine, loading.import_id) == [0]  # They wait for the run that sent them.


def test_files_about_the_same_things_wait_for_each_other(database: Database, engine: Engine) -> None:
    names = [new_name("supplier") for _ in range(50)]
    loadings = [Loading(database, "suppliers", "name", "email") for _ in range(6)]
    for number, loading in enumerate(loadings):
        loading.stage(*((name, f"{number}@x.at") for name in (names if number % 2 else reversed(names))))
    with ThreadPoolExecutor(len(loadings)) as threads:
        answers = list(threads.map(lambda loading: loading.apply(rows=50), loadings))
    assert sorted((answer.inserted, answer.updated) for answer in answers) == [(0, 50)] * 5 + [(50, 0)]
    assert len({email for _, email in _suppliers(engine, *names)}) == 1


@pytest.mark.parametrize(("pages", "rows"), [(1, 2), (2, 1), (2, 2)])
def test_what_was_announced_has_to_be_there(database: Database, engine: Engine, pages: int, rows: int) -> None:
    loading, name = Loading(database, "suppliers", "name"), new_name("supplier")
    loading.stage((name,))
    assert refused(lambda: loading.apply(rows=rows, pages=pages)) == ("InvalidRequest", {})
    assert _suppliers(engine, name) == []
    assert _pages(engine, loading.import_id) == [0]


def test_a_page_with_bad_rows_is_not_kept(database: Database, engine: Engine) -> None:
    loading = Loading(database, "stock", "sku", "warehouse", "quantity")
    assert refused(lambda: loading.stage(("A", "B", "1"), ("A", "B", "-1"), ("A", "B"))) == (
        "InvalidRequest",
        {
            "errors": [
                {"line": 3, "column": "quantity", "message": "input should be greater than or equal to 0"},
                {"line": 4, "column": None, "message": "has 2 cells, the header has 3"},
            ],
            "errors_total": 2,
        },
    )
    assert _pages(engine, loading.import_id) == []


@pytest.mark.parametrize("packed", ["", "x", pack_rows([]), pack_rows([b'{"name": "A"}'])])
def test_what_is_no_page_is_not_kept(database: Database, engine: Engine, packed: str) -> None:
    loading = Loading(database, "suppliers", "name")
    assert refused(lambda: loading.stage_packed(packed)) == ("InvalidRequest", {})
    assert _pages(engine, loading.import_id) == []


def test_columns_are_checked_again_before_they_come_near_a_statement(database: Database) -> None:
    loading = Loading(database, "suppliers", "name", 'email"; DROP TABLE suppliers; --')
    assert refused(lambda: loading.stage(("A", "x"))) == ("InvalidRequest", {})


def test_rows_that_say_the_same_line_are_still_found_to_be_the_same(database: Database) -> None:
    loading, name = Loading(database, "suppliers", "name"), new_name("supplier")
    loading.stage_packed(pack_rows([encode_row(2, [name]), encode_row(2, [name])]))
    assert refused(lambda: loading.apply(rows=2)) == (
        "InvalidRequest",
        {"errors": [{"line": 2, "column": "name", "message": "is the same as on line 2"}], "errors_total": 1},
    )


def test_discarded_pages_are_gone_and_nobody_elses(database: Database, engine: Engine) -> None:
    ours, theirs = Loading(database, "suppliers", "name"), Loading(database, "suppliers", "name")
    ours.stage(("A",))
    ours.stage(("B",), page=1)
    theirs.stage(("C",))
    assert ours.discard() == 2
    assert ours.discard() == 0
    assert _pages(engine, theirs.import_id) == [0]
    assert theirs.discard() == 1


def test_what_a_terminated_run_left_is_cleared_away_by_the_next_import(database: Database, engine: Engine) -> None:
    ours, theirs = Loading(database, "suppliers", "name"), Loading(database, "suppliers", "name")
    ours.stage(("A",))
    theirs.stage(("B",))
    ours.open()
    assert (_pages(engine, ours.import_id), _pages(engine, theirs.import_id)) == ([], [0])
    ours.open(as_of=NOON + timedelta(days=1, seconds=1))
    assert _pages(engine, theirs.import_id) == []


def test_ids_of_a_file_are_kept_and_counting_goes_on_after_them(database: Database, engine: Engine) -> None:
    with engine.connect() as connection:
        highest = int(connection.execute(text("SELECT coalesce(max(supplier_id), 0) FROM suppliers")).scalar_one())
    first, second = new_name("supplier"), new_name("supplier")
    with_ids = Loading(database, "suppliers", "name", "supplier_id")
    with_ids.stage((first, str(highest + 1_000)), (new_name("supplier"), str(highest + 900)))
    with_ids.apply(rows=2)
    without = Loading(database, "suppliers", "name")
    without.stage((second,))
    without.apply(rows=1)
    with engine.connect() as connection:
        query = text("SELECT supplier_id FROM suppliers WHERE name IN (:first, :second) ORDER BY supplier_id")
        ids = list(connection.execute(query, {"first": first, "second": second}).scalars())
    assert ids[0] == highest + 1_000
    assert ids[1] > ids[0]


def _refusal(loading: Loading, rows: int) -> list[tuple[int, str | None, str]]:
    with pytest.raises(ApplicationError) as caught:
        loading.apply(rows=rows)
    assert caught.value.type == "InvalidRequest"
    return [(bad["line"], bad["column"], bad["message"]) for bad in caught.value.details[0]["errors"]]


def test_names_that_differ_by_case_alone_are_bad_rows(database: Database, engine: Engine) -> None:
    known, new = new_name("Known"), new_name("New")
    first = Loading(database, "suppliers", "name")
    first.stage((known,))
    first.apply(rows=1)
    again = Loading(database, "suppliers", "name", "email")
    again.stage((known.upper(), ""), (known, "a@x.at"), (new, ""), (new.lower(), ""))
    assert _refusal(again, rows=4) == [
        (2, "name", f"differs by upper and lower case alone from {known}"),
        (3, "name", "differs by upper and lower case alone from line 2"),
        (5, "name", "differs by upper and lower case alone from line 4"),
    ]
    assert _suppliers(engine, known, known.upper(), new) == [(known, None)]


def test_a_reference_is_found_in_any_case_and_the_nearest_is_suggested(database: Database, engine: Engine) -> None:
    sku, acme = new_name("Mug"), new_name("Acme")
    for kind, columns, row in (("products", ["sku", "name"], [sku, "Mug"]), ("suppliers", ["name"], [acme])):
        loading = Loading(database, kind, *columns)
        loading.stage(row)
        loading.apply(rows=1)
    terms = "product-suppliers", "sku", "supplier", "unit_cost", "lead_time_days"
    wrong = Loading(database, *terms)
    wrong.stage((sku, f"{acme}x", "1", "1"), (f"{sku[:-1]}", acme, "1", "1"))
    assert _refusal(wrong, rows=2) == [
        (2, "supplier", f"there is no supplier {acme}x; did you mean {acme}?"),
        (3, "sku", f"there is no product {sku[:-1]}; did you mean {sku}?"),
    ]
    right = Loading(database, *terms)
    right.stage((sku.upper(), acme.lower(), "1", "1"))
    assert right.apply(rows=1) == Applied(rows=1, inserted=1, updated=0, unchanged=0)
