import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, roc_auc_score

from data.windows import Target, split_origins
from rank.backtest import Backtest, run_backtest
from rank.hot import hot_scores
from rank.member import Answer, Question
from rank.metrics import auc, f1, is_hot
from tests.rank.world import make_panel


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.booleans()), min_size=2, max_size=30))
def test_auc_and_f1_are_those_of_scikit_learn(rows: list[tuple[bool, int, bool]]) -> None:
    truth_N, score_N, said_N = (np.array(column) for column in zip(*rows, strict=True))
    if len(set(truth_N)) == 2:
        assert auc(truth_N, score_N) == pytest.approx(roc_auc_score(truth_N, score_N))
    else:
        assert np.isnan(auc(truth_N, score_N))
    assert f1(truth_N, said_N) == pytest.approx(f1_score(truth_N, said_N, zero_division=0.0))


def test_hot_is_the_top_part_of_each_origin() -> None:
    share_OS = np.array([[0.1, 0.4, 0.2, 0.2, 0.1], [0.0, 0.0, 0.0, 0.0, 0.0], [np.nan] * 5])
    assert is_hot(share_OS, 0.2).tolist() == [[False, True, False, False, False], [False] * 5, [False] * 5]
    assert is_hot(share_OS[:1], 0.6).tolist() == [[False, True, True, True, False]]
    # Styles that are not there yet are none of those it is the top of.
    later_OS = np.concatenate([share_OS[:1], np.zeros((1, 20))], axis=1)
    assert is_hot(later_OS, 0.2)[0, :5].tolist() == is_hot(share_OS[:1], 0.2)[0].tolist()
    assert not is_hot(later_OS, 0.2)[0, 5:].any()


class Seer:
    """Knows which styles will be hot, and says nothing of growth; or the opposite of what it knows."""

    def __init__(self, sign: float, name: str) -> None:
        self.sign, self.name = sign, name

    def answer(self, question: Question) -> Answer:
        table, places = question.table, question.places
        truth_OS = np.nan_to_num(table.truth_OS[places])
        return Answer(np.zeros(truth_OS.shape), None, hot_OS=0.5 + self.sign * (is_hot(truth_OS, 0.25) - 0.5))


def backtest() -> Backtest:
    panel, target = make_panel(days=300), Target.parse("days:10-15")
    split = split_origins(panel, target, 3, 2)
    return run_backtest(panel, target, split, [Seer(1.0, "seer"), Seer(-1.0, "liar")], hot_part=0.25)


def test_models_are_judged_by_what_they_say_of_hot() -> None:
    told = backtest()
    scores = {
        model: hot_scores(told, told.hot_MOS[told.models.index(model)], told.split.test) for model in ("seer", "liar")
    }
    assert scores["seer"] == {"hot_auc": 1.0, "hot_f1": 1.0}
    assert scores["liar"] == {"hot_auc": 0.0, "hot_f1": 0.0}
    assert np.isnan(told.hot_MOS[told.models.index("last")]).all()
    last = hot_scores(told, told.share_MOS[told.models.index("last")], told.split.test)
    assert 0.5 < last["hot_auc"] <= 1.0
    nothing = hot_scores(told, told.hot_MOS[-1], pd.DatetimeIndex([told.split.latest]))
    assert np.isnan(list(nothing.values())).all()


def test_it_agrees_with_the_slow_way() -> None:
    told = backtest()
    share_OS = told.share_MOS[told.models.index("mean-3")]
    areas, scores = [], []
    for origin in told.split.test:
        place = told.places(pd.DatetimeIndex([origin]))[0]
        seen = np.flatnonzero(told.seen_OS[place])
        many = sum(told.truth_OS[place] >= np.quantile(told.truth_OS[place], 0.75))
        by_truth, by_share = (sorted(seen, key=lambda s: -values[place][s])[:many]
                              for values in (told.truth_OS, share_OS))  # fmt: skip
        scores.append(len(set(by_truth) & set(by_share)) / many)
        hot_N = np.isin(seen, by_truth)
        areas.append(roc_auc_score(hot_N, share_OS[place][seen]))
    found = hot_scores(told, share_OS, told.split.test)
    assert found["hot_auc"] == pytest.approx(np.mean(areas))
    assert found["hot_f1"] == pytest.approx(np.mean(scores))
