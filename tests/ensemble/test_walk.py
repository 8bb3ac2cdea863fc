import numpy as np
import pandas as pd
import pytest

from data.windows import Target, known_on, split_origins
from ensemble.combine import ENSEMBLE, combine
from ensemble.walk import Walk, labels_known, walk
from rank.backtest import Backtest, run_backtest
from tests.rank.world import make_panel, with_other_future

TARGET = Target.parse("calendar-month:2")


@pytest.fixture(scope="module")
def found() -> tuple[Backtest, Walk]:
    panel = make_panel(560, 4)
    backtest = run_backtest(panel, TARGET, split_origins(panel, TARGET, 5, 2), ())
    return backtest, walk(backtest)


def test_each_origin_has_the_labels_that_are_known_by_it(found: tuple[Backtest, Walk]) -> None:
    backtest, walked = found
    split = backtest.split
    counts = []
    for place, origin in enumerate(split.all):
        fitted_on = walked.at[place].fitted_on
        if origin in split.validation:
            assert walked.at[place] is walked.first
            continue
        assert max(known_on(backtest.panel, TARGET.period(day)) for day in fitted_on) <= origin
        assert list(fitted_on) == list(labels_known(backtest, origin))
        counts.append(len(fitted_on))
    # Two months ahead: the first two test origins know no label of the test, each later one knows one more.
    assert counts == [2, 2, 3, 4, 5, 7]
    assert walked.final is walked.at[-1]


def test_earlier_forecasts_count_as_they_were_told(found: tuple[Backtest, Walk]) -> None:
    backtest, walked = found
    first, third = backtest.places(backtest.split.test[[0, 2]])
    blend_S = np.tensordot(walked.first.weights_M, backtest.share_MOS[:, first], axes=1)
    assert walked.share_OS[first] == pytest.approx(blend_S)
    again = combine(backtest, walked.at[third].fitted_on, walked.share_OS)
    assert again.weights_M == pytest.approx(walked.at[third].weights_M)
    errors_N = walked.at[third].calibrations[-1].errors_N
    assert errors_N == pytest.approx(again.calibrations[-1].errors_N)
    use_OS = backtest.cells(walked.at[third].fitted_on)
    assert len(errors_N) == use_OS.sum()
    assert walked.at[third].held_out == pytest.approx(np.abs(walked.share_OS - backtest.truth_OS)[use_OS].mean())
    frame = walked.frame(backtest, backtest.split.test)
    mine = frame[(frame["model"] == ENSEMBLE) & (frame["origin"] == backtest.split.test[2])]
    assert mine["share"].to_numpy() == pytest.approx(walked.share_OS[third][backtest.seen_OS[third]])


def test_a_moved_future_changes_no_earlier_forecast(found: tuple[Backtest, Walk]) -> None:
    backtest, walked = found
    day = backtest.split.test[3]  # by which the labels of the first two test origins are known
    moved = run_backtest(with_other_future(backtest.panel, day), TARGET, backtest.split, ())
    again = walk(moved)
    before = backtest.split.test[:4]
    pd.testing.assert_frame_equal(walked.frame(backtest, before), again.frame(moved, before))
    after = backtest.split.test[4:]
    assert not np.allclose(walked.frame(backtest, after)["lower"], again.frame(moved, after)["lower"])


def test_without_test_origins_the_latest_has_the_validation_origins() -> None:
    panel = make_panel(300, 4)
    backtest = run_backtest(panel, TARGET, split_origins(panel, TARGET, 0, 2), ())
    walked = walk(backtest)
    assert list(walked.final.fitted_on) == list(backtest.split.validation)
    assert walked.frame(backtest, backtest.split.test).empty
