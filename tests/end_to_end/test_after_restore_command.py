"""`stockkeeper doctor --after-restore` as an operator runs it, where nothing was restored and a worker goes on."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from devstack.stack import StackInfo
from tests.support.doctor import Doctor, doctor_of
from tests.support.reservation import Orders
from tests.support.shop import Shop, new_reference


@pytest.fixture
async def doctor(stack: StackInfo, worker: None) -> Doctor:
    """Runs the doctor in the environment of the session's worker, but for some variables."""
    del worker
    return doctor_of(stack)


def operations(engine: Engine) -> int:
    """How many the database has."""
    with engine.connect() as connection:
        found: int = connection.execute(text("SELECT count(*) FROM operations")).scalar_one()
    return found


async def test_only_the_worker_is_in_the_way_where_both_stores_fit(
    doctor: Doctor, orders: Orders, shop: Shop, engine: Engine
) -> None:
    item, kept, shipped = shop.item(5), new_reference(), new_reference()
    for reference in (kept, shipped):
        await orders.reserve(reference, (item, 2))
    await orders.fulfill(shipped)
    before = operations(engine)

    done = await doctor("--after-restore", "--json")

    report = json.loads(done.stdout)
    ours = [gap for gap in report["gaps"] if gap["workflow_id"] in {f"reservation-{kept}", f"reservation-{shipped}"}]
    assert (done.exit_code, done.stderr, ours, report["mended"]) == (1, "", [], None)
    [wrong] = [check for check in report["checks"] if check["name"] == "no worker"]
    assert (wrong["ok"], wrong["detail"][:25]) == (False, "1 worker may be working: ")
    assert report["since"] < min(report["database_at"], report["temporal_at"])
    # Not long ago: it looks at every run since.
    wanted = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    asked = wanted.isoformat().replace("+00:00", "Z")
    since = json.loads((await doctor("--after-restore", "--json", "--since", asked)).stdout)["since"]
    assert since == wanted.isoformat()
    assert operations(engine) == before


async def test_nothing_is_mended_while_a_worker_goes_on(doctor: Doctor, engine: Engine, stack: StackInfo) -> None:
    before = operations(engine)
    done = await doctor("--after-restore", "--mend", "--performed-by", "olga")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("StockkeeperError: 1 worker (")
    stop = "stop them, wait a minute, and mend then; nothing was done"
    assert done.stderr.endswith(f") may be working on task queue {stack.task_queue}: {stop}\n")
    assert operations(engine) == before


async def test_a_wrong_setting_and_a_wrong_option_are_told_in_one_line(doctor: Doctor) -> None:
    done = await doctor("--after-restore", STOCKKEEPER_CONCURRENCY="none")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "StockkeeperError: the environment has a setting that is wrong: STOCKKEEPER_CONCURRENCY"
    )
    done = await doctor("--mend")
    told = "error: --mend and --since go with --after-restore\n"
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", told)
