"""The page about upgrades says of every migration what the migration says itself."""

import re
from pathlib import Path

from database import migrate
from database.migrations.common import BEFORE_REVISIONS_WERE_KEPT
from tests.support.migrations import scripts

_ROW = re.compile(r"^\| `(\d{4})` \| (go on|stop) \|", re.MULTILINE)


def test_the_revisions_are_numbered_as_their_files_are() -> None:
    assert migrate.revisions_of_this_version() == sorted(script.revision for script in scripts())
    assert migrate.newest_revision() == scripts()[0].revision


def test_the_page_says_of_every_migration_whether_older_workers_go_on() -> None:
    page = Path("docs/upgrade.md").read_text(encoding="utf-8")
    declared = {script.revision: script.module.serves_older_workers for script in scripts()}
    assert {revision: word == "go on" for revision, word in _ROW.findall(page)} == declared


def test_no_migration_from_before_revisions_were_kept_says_that_it_serves_older_workers() -> None:
    old = [script for script in scripts() if script.revision <= BEFORE_REVISIONS_WERE_KEPT]
    assert {script.module.serves_older_workers for script in old} == {False}
