"""Both stores are restored to different moments under load: what doesn't fit is found, mended, and nothing is lost."""

from pathlib import Path

import pytest

from devstack.stack import StackInfo
from tests.faults.restore.drill import Copies, fits, go_on, live_and_copy, restored
from tests.faults.restore.life import documents_of, kinds_of
from tests.faults.restore.place import Backup


@pytest.fixture(scope="module")
async def copies(stack: StackInfo, tmp_path_factory: pytest.TempPathFactory) -> Copies:
    """Two backups of each store."""
    return await live_and_copy(stack.database_url, tmp_path_factory.mktemp("drill"), each=1)


def orders(*turns: str) -> set[str]:
    """The workflows of these orders."""
    return {f"reservation-{turn}-0" for turn in turns}


async def test_an_older_database_gets_back_what_temporal_knows(
    copies: Copies, stack: StackInfo, tmp_path: Path
) -> None:
    backup = Backup(copies.earlier.database, copies.later.temporal)
    async with restored(stack.database_url, tmp_path, backup) as mended:
        assert set(kinds_of(mended.found)) == {"STEP_LOST"}
        assert fits(mended.mended), mended.mended
        assert mended.place.picture() == copies.truth
        async with mended.place.worker():
            await go_on(copies.life, mended.place)
        mended.place.require_books()


async def test_an_older_temporal_gets_runs_for_what_the_database_knows(
    copies: Copies, stack: StackInfo, tmp_path: Path
) -> None:
    backup = Backup(copies.later.database, copies.earlier.temporal)
    async with restored(stack.database_url, tmp_path, backup) as mended:
        assert set(kinds_of(mended.found)) == {"RUN_BEHIND", "RUN_MISSING"}
        assert set(documents_of(mended.found, "RUN_MISSING")) == orders("new", "waits-too") | {
            "reservation-of-a-new-product",
            "purchase-order-drafted-0",
            "transfer-held-too-0",
            "cycle-count-counted-too-0",
            "return-comes-too-0",
            "adjustment-missing-0",
        }
        # Those two may have gone on by themselves before the earlier copy.
        behind = set(documents_of(mended.found, "RUN_BEHIND")) - orders("ends", "waits")
        assert behind == orders("shipped", "parts", "signals", "cancelled", "extended", "promised", "served") | {
            "purchase-order-part-0",
            "purchase-order-approved-0",
            "purchase-order-serves-0",
            "transfer-held-0",
            "transfer-on-its-way-0",
            "cycle-count-counted-0",
            "return-comes-0",
            "adjustment-broken-0",
        }
        assert fits(mended.mended), mended.mended
        assert mended.place.picture() == copies.truth
        async with mended.place.worker():
            await go_on(copies.life, mended.place)
        mended.place.require_books()
