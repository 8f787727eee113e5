"""Bars: which ratio counts, and in which order the sides of a comparison run."""

from benchmarks.bars import Bar, alternately, table_of


def test_the_ratio_is_the_median_of_the_rounds_and_not_that_of_the_medians() -> None:
    # By the medians, 30 to 20, it would be reached.
    bar = Bar("hold", "/s", [10.0, 30.0, 50.0], "other", [20.0, 40.0, 10.0], 1)
    assert bar.ratios == [0.5, 0.75, 5.0]
    assert (bar.ratio, bar.is_reached) == (0.75, False)
    assert bar.row == "| hold | other | 30/s | 20/s | **0.75** | 0.50 to 5.00 | ≥ 1 | **short** |"


def test_a_bar_that_is_a_ceiling_is_reached_below_it() -> None:
    bar = Bar("answer", " ms", [12.5], "other", [10.0], 1.25, at_least=False)
    assert bar.is_reached
    assert bar.row == "| answer | other | 12.5 ms | 10 ms | **1.25** |  | ≤ 1.25 | reached |"
    assert not Bar("answer", " ms", [12.6], "other", [10.0], 1.25, at_least=False).is_reached


def test_without_another_side_the_figure_itself_is_compared() -> None:
    bar = Bar("memory", " MB", [312.4], "the bar itself", [], 400, at_least=False)
    assert bar.is_reached
    assert table_of([bar]).splitlines()[2:] == [
        "| memory | the bar itself | 312 MB |  | **312.40** |  | ≤ 400 | reached |"
    ]


def test_each_round_runs_in_the_reverse_order_of_the_one_before_and_the_warm_up_does_not_count() -> None:
    ran: list[str] = []

    def side(name: str) -> float:
        ran.append(name)
        return float(len(ran))

    found = alternately(
        {"ours": lambda: side("ours"), "theirs": lambda: side("theirs")}, 3, after_warm_up=lambda: ran.append("settled")
    )
    assert ran == ["ours", "theirs", "settled", "ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert found == {"ours": [4.0, 7.0, 8.0], "theirs": [5.0, 6.0, 9.0]}
