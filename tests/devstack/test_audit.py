"""The audit of what is pinned: what it finds fault with, and which advisories it takes for being about a version."""

import subprocess
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from devstack import audit
from devstack.audit import Audited, Record, Rules

TODAY = date(2026, 11, 30)
PINNED = {"alpha": "1.0", "beta": "2.1"}
RECORD = Record({"alpha": Audited("1.0", "MIT"), "beta": Audited("2.1", "Apache-2.0 OR MIT")}, "abc", TODAY)
RULES = Rules(frozenset({"MIT", "Apache-2.0"}), {}, {})


def found(
    pinned: Mapping[str, str] = PINNED,
    installed: Mapping[str, str] = PINNED,
    record: Record = RECORD,
    rules: Rules = RULES,
) -> list[str]:
    """What the audit finds fault with."""
    return list(audit.problems(pinned, installed, record, rules, TODAY))


def recorded(licence: str = "MIT", *advisories: str) -> Record:
    """The list with another beta."""
    return Record({**RECORD.packages, "beta": Audited("2.1", licence, advisories)}, "abc", TODAY)


def accepting(until: date) -> Rules:
    """Rules by which an advisory about beta is lived with."""
    return Rules(RULES.licences, {}, {("beta", "PYSEC-2026-7"): until})


def test_a_set_that_was_audited_as_it_is_pinned_and_installed_is_well() -> None:
    assert found() == []
    # Not every extra is installed everywhere.
    assert found(installed={"alpha": "1.0"}) == []


def test_a_pin_that_was_not_audited_as_it_is_or_is_gone_needs_an_audit() -> None:
    pinned = {"alpha": "1.1", "gamma": "1.0"}
    assert found(pinned=pinned, installed={}) == [
        "alpha 1.1 was audited as 1.0: run `make audit`",
        "beta was audited, and isn't pinned any more: run `make audit`",
        "gamma 1.0 wasn't audited: run `make audit`",
    ]


def test_what_is_installed_is_what_is_pinned() -> None:
    assert found(installed={"alpha": "1.1", "delta": "3"}) == [
        "alpha 1.1 is installed, and constraints.txt has 1.0",
        "delta 3 is installed, and constraints.txt has nothing of it",
    ]


@pytest.mark.parametrize(
    ("licence", "fault"),
    [
        ("GPL-3.0-only AND MIT", "beta: GPL-3.0-only isn't an allowed licence (deploy/audit.toml)"),
        ("", "beta: its licence is unknown; install it and run `make audit`, or state it in deploy/audit.toml"),
    ],
)
def test_a_licence_is_known_and_allowed(licence: str, fault: str) -> None:
    assert found(record=recorded(licence)) == [fault]


def test_an_advisory_is_accepted_until_a_day_or_the_version_goes() -> None:
    advised = recorded("MIT", "PYSEC-2026-7")
    assert found(record=advised) == [
        "beta 2.1: PYSEC-2026-7; take another version, or accept it in deploy/audit.toml with a reason"
    ]
    assert found(record=advised, rules=accepting(TODAY)) == []
    late = accepting(date(2026, 11, 29))
    assert found(record=advised, rules=late) == ["beta 2.1: PYSEC-2026-7 was accepted until 2026-11-29"]
    assert found(rules=accepting(TODAY)) == [
        "beta: PYSEC-2026-7 is accepted in deploy/audit.toml, and isn't about what is pinned"
    ]


def test_an_accepted_advisory_has_a_reason() -> None:
    rules = 'allowed_licences = ["MIT"]\n[stated_licences]\nAlpha_x = "MIT"\n[[accepted]]\nid = "PYSEC-2026-7"\n'
    rules += 'package = "Beta"\nuntil = 2026-12-31\n'
    assert audit.read_rules(rules + 'reason = "not called"\n') == Rules(
        frozenset({"MIT"}), {"alpha-x": "MIT"}, {("beta", "PYSEC-2026-7"): date(2026, 12, 31)}
    )
    with pytest.raises(ValueError, match="PYSEC-2026-7 has no reason"):
        audit.read_rules(rules + 'reason = " "\n')


def test_the_list_is_written_and_read_without_loss() -> None:
    assert audit.read_record(audit.as_cyclonedx(recorded("", "PYSEC-2026-7"))) == recorded("", "PYSEC-2026-7")


SPANS = [{"introduced": "2.0.0"}, {"fixed": "2.0.7"}, {"introduced": "0"}, {"fixed": "1.26.18"}]


@pytest.mark.parametrize(
    ("affected", "version", "about"),
    [
        *(
            ({"ranges": [{"type": "ECOSYSTEM", "events": SPANS}]}, version, about)
            for version, about in (("1.0", True), ("1.26.18", False), ("2.0", True), ("2.0.6", True), ("2.0.7", False))
        ),
        *(
            ({"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "1"}, {"last_affected": "1.4"}]}]}, *case)
            for case in (("0.9", False), ("1", True), ("1.4", True), ("1.4.1", False))
        ),
        ({"versions": ["2.0.1", "not-a-version"]}, "2.0.1", True),
        # The same version, written otherwise.
        ({"versions": ["2.0.1-rc1"]}, "2.0.1rc1", True),
        ({"versions": ["2.0.1"]}, "2.0.10", False),
        ({"ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]}, "1.0", False),
    ],
)
def test_an_advisory_is_about_the_versions_that_it_names(affected: dict[str, Any], version: str, about: bool) -> None:
    assert audit.affects({"affected": [affected]}, Version(version)) is about
    assert audit.affects({"affected": [affected], "withdrawn": "2026-01-01"}, Version(version)) is False


def test_an_audit_keeps_what_it_found_and_by_which_advisories(tmp_path: Path) -> None:
    (advised := tmp_path / "vulns" / "alpha").mkdir(parents=True)
    (advised / "PYSEC-2026-1.yaml").write_text("id: PYSEC-2026-1\naffected:\n- versions: ['1.0']\n")
    (advised / "PYSEC-2026-2.yaml").write_text("id: PYSEC-2026-2\naffected:\n- versions: ['1.1']\n")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.com"]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "x", "--date=2026-11-02T00:00:00Z"]):
        subprocess.run(
            [*git, *words], check=True, env={"PATH": "/usr/bin:/bin", "GIT_COMMITTER_DATE": "@1793577600 +0000"}
        )
    made = audit.audit({"alpha": "1.0", "beta": "2.1"}, RECORD, Rules(frozenset(), {"alpha": "ISC"}, {}), tmp_path)
    assert made.packages == {
        "alpha": Audited("1.0", "ISC", ("PYSEC-2026-1",)),
        # Not installed here: its licence is what it was.
        "beta": Audited("2.1", "Apache-2.0 OR MIT"),
    }
    assert (len(made.revision), made.day) == (40, date(2026, 11, 2))
