"""The page about upgrades says of every migration what the migration says itself."""

import re
from pathlib import Path

from database import migrate
from database.migrations.common import BEFORE_REVISIONS_WERE_KEPT

_ROW = re.compile(r"^\| `(\d{4})` \| (go on|stop) \|", re.MULTILINE)


def test_the_page_says_of_every_migration_whether_older_workers_go_on() -> None:
    page = Path("docs/upgrade.md").read_text(encoding="utf-8")
    declared = {script.revision: script.module.serves_older_workers for script in migrate._scripts()}
    assert {revision: word == "go on" for revision, word in _ROW.findall(page)} == declared


def test_no_migration_from_before_revisions_were_kept_says_that_it_serves_older_workers() -> None:
    old = [script for script in migrate._scripts() if script.revision <= BEFORE_REVISIONS_WERE_KEPT]
    assert {script.module.serves_older_workers for script in old} == {False}
