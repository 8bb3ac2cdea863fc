import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import spearmanr
from sklearn.metrics import f1_score

from rank import metrics

FLOATS = st.floats(-5, 5, allow_nan=False)


def test_errors_by_hand() -> None:
    truth, said = np.array([0.2, 0.0, 0.4]), np.array([0.1, 0.2, 0.4])
    assert metrics.mae(truth, said) == pytest.approx(0.1)
    assert metrics.rmse(truth, said) == pytest.approx(np.sqrt(0.05 / 3))
    assert metrics.wape(truth, said) == pytest.approx(0.5)
    assert metrics.mase(truth, said, 0.2) == pytest.approx(0.5)
    assert np.isnan(metrics.mase(truth, said, 0.0))
    assert np.isnan(metrics.wape(np.zeros(3), said))


def test_interval_by_hand() -> None:
    truth = np.array([0.1, 0.5, 0.9])
    lower, upper = np.array([0.1, 0.6, 0.8]), np.array([0.2, 0.7, 1.0])
    assert metrics.coverage(truth, lower, upper) == pytest.approx(2 / 3)
    assert metrics.width(lower, upper) == pytest.approx(0.4 / 3)
    # above by 0.4 at level 0.9 costs 0.36, below by 0.1 costs 0.01
    assert metrics.pinball(np.array([0.5, 0.0]), np.array([0.1, 0.1]), 0.9) == pytest.approx((0.36 + 0.01) / 2)


def test_ndcg_by_hand() -> None:
    gain, score = np.array([3.0, 0.0, 1.0, -2.0]), np.array([0.1, 0.9, 0.5, 0.0])
    got = 0 / 1 + 1 / np.log2(3) + 3 / np.log2(4)
    ideal = 3 / 1 + 1 / np.log2(3)
    assert metrics.ndcg(gain, score, k=3) == pytest.approx(got / ideal)
    assert metrics.ndcg(gain, np.zeros(4), k=4) == pytest.approx(
        sum(1 / np.log2(np.arange(4) + 2)) * 1.0 / ideal
    )  # all tied: each place holds the mean gain, (3 + 0 + 1 + 0) / 4
    assert np.isnan(metrics.ndcg(np.array([-1.0, 0.0]), np.array([1.0, 2.0])))


@given(arrays(float, st.integers(2, 30), elements=FLOATS), st.randoms())
def test_orders_do_not_depend_on_the_order_of_rows(gain: np.ndarray, random) -> None:  # noqa: ANN001
    score = np.array([random.choice([0.0, 1.0, 2.5]) for _ in gain])
    order = np.array(random.sample(range(len(gain)), len(gain)))
    before, after = metrics.ndcg(gain, score), metrics.ndcg(gain[order], score[order])
    assert before == pytest.approx(after, nan_ok=True)
    assert np.isnan(before) or -1e-12 <= before <= 1 + 1e-9
    assert metrics.spearman(gain, score) == pytest.approx(metrics.spearman(gain[order], score[order]), abs=1e-12)


@given(st.lists(st.tuples(FLOATS, FLOATS), min_size=3, max_size=40))
def test_spearman_is_scipys(pairs: list[tuple[float, float]]) -> None:
    first, second = np.array(pairs).T
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert metrics.spearman(first, second) == 0.0
    else:
        assert metrics.spearman(first, second) == pytest.approx(spearmanr(first, second).statistic, abs=1e-9)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40))
def test_macro_f1_is_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    truth, said = np.array(pairs).T
    assert metrics.macro_f1(truth, said) == pytest.approx(f1_score(truth, said, average="macro", zero_division=0))
    assert metrics.accuracy(truth, said) == np.mean(truth == said)
