"""The peers of `benchmarks.ten_units`: pinned, called by a file that says how, and missed plainly."""

import re
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.peers import catalogue
from benchmarks.peers.catalogue import MEDUSA, OSCAR, OUR_ORDERS, PEERS, Peer
from benchmarks.peers.processes import HERE, Callers, NotHere, install
from benchmarks.ten_units import Seen, report


@pytest.mark.parametrize("peer", [peer for peer in PEERS if peer.packages], ids=lambda peer: peer.name)
def test_peer_is_pinned_and_its_file_names_the_version(peer: Peer) -> None:
    pinned = {re.sub(r"(?<=.)@|==", " ", package).split()[-1] for package in peer.packages}
    assert all(re.fullmatch(r"\d+(\.\d+)+", version) for version in pinned)
    first = (HERE / peer.adapter).read_text().splitlines()[0]
    [named] = re.findall(r"\d+(?:\.\d+)+", first)
    assert any(f"{version}.".startswith(f"{named}.") for version in pinned)
    assert named in peer.name


def test_each_peer_has_one_file_and_each_file_a_peer() -> None:
    ours = {catalogue.OUR_ORDERS.adapter, catalogue.OUR_ACTIVITIES.adapter}
    shared = {"__init__.py", "callers.mjs", "callers.py", "catalogue.py", "our_items.py", "processes.py"}
    files = {path.name for path in HERE.iterdir() if path.suffix in {".py", ".mjs"}}
    assert files - shared == {peer.adapter for peer in PEERS}
    assert ours < files


def test_javascript_peer_without_node_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotHere, match=r"^node is not on this machine$"):
        install(MEDUSA, tmp_path / "medusa")
    assert not (tmp_path / "medusa" / ".installed").exists()


def test_process_that_ends_is_not_here_with_its_last_words(tmp_path: Path) -> None:
    broken = Peer("ours", "our_activities.py", expiry="no")
    with (
        Callers(broken, tmp_path, {"url": "no url"}, 0) as callers,
        pytest.raises(NotHere, match=r"^it ended: .*DATABASE_URL isn't one"),
    ):
        callers(do="open")


def test_report_says_what_was_oversold_and_what_was_not_tried() -> None:
    right = Seen(
        sold=[10, 10],
        counted=[10, 10],
        refused=[Counter({"InsufficientStock: 1 of 0": 22}), Counter({"InsufficientStock: 2 of 0": 22})],
        errors=[Counter(), Counter()],
        per_second=1234.4,
    )
    wrong = Seen(sold=[10, 32], counted=[1, 2], refused=[Counter()] * 2, errors=[Counter()] * 2, per_second=4.25)
    lines = report({OUR_ORDERS: right, OSCAR: wrong, MEDUSA: Seen(missing="npm is not on this machine")}).splitlines()
    assert lines[2:] == [
        f"| {OUR_ORDERS.name} | 10 | 22 | 0 | 10 | 1,234 | yes, at its deadline |",
        f"| {OSCAR.name} | **10 to 32** | 0 | 0 | 1 to 2 | 4.2 | no |",
        f"| {MEDUSA.name} | | | | | | not tried: npm is not on this machine |",
        "",
        f"- {OUR_ORDERS.name}, no, 44 of 64: InsufficientStock: 1 of 0",
    ]
