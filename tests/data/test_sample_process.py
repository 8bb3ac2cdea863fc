"""Posts of the sample world follow the drawn process, and how much of its future can be known."""

import math
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from data.sample_dynamics import NOISE_SD, Process, ar1, simulate
from data.sample_oracle import informed_shares, knowable, month_sums
from data.sample_posts import PROLIFIC, Plan, Post, written_count
from data.sample_styles import build_styles


def counts_of(posts: list[Post], process: Process) -> np.ndarray:
    count_ST = np.zeros(process.share_ST.shape)
    for post in posts:
        count_ST[post.style, post.day] += 1
    return count_ST


def test_posts_follow_the_drawn_shares(plan: Plan, posts: list[Post]) -> None:
    process = plan.process
    count_ST = counts_of(posts, process)
    assert count_ST.sum(axis=0) == pytest.approx(process.posts_T)
    observed, _ = month_sums(count_ST, process.days_T)
    wanted, _ = month_sums(process.share_ST * process.posts_T, process.days_T)
    enough = wanted >= 5
    statistic = ((observed - wanted)[enough] ** 2 / wanted[enough]).sum()
    assert chi2.ppf(0.001, enough.sum() - 60) < statistic < chi2.ppf(0.999, enough.sum())
    # and the oracle's shares are near, though not the same
    expected, _ = month_sums(process.expected_ST * process.posts_T, process.days_T)
    assert np.corrcoef(observed.ravel(), expected.ravel())[0, 1] > 0.9
    assert ((observed - expected)[enough] ** 2 / expected[enough]).sum() > statistic


def test_ten_authors_write_a_quarter(posts: list[Post]) -> None:
    counts = Counter(post.author for post in posts)
    top = counts.most_common(PROLIFIC)
    assert {author for author, _ in top} == set(range(PROLIFIC))
    assert sum(count for _, count in top) / len(posts) == pytest.approx(0.25, abs=0.012)
    assert len(counts) > 380


def test_authors_have_a_taste(posts: list[Post]) -> None:
    table = np.zeros((400, 24))
    for post in posts:
        table[post.author, post.style] += 1
    expected = table.sum(1, keepdims=True) * table.sum(0, keepdims=True) / table.sum()
    busy = table.sum(1) >= 100
    assert ((table - expected)[busy] ** 2 / np.maximum(expected[busy], 1)).sum() > 3 * busy.sum() * 24


def test_pictures_per_post_and_their_defects(posts: list[Post]) -> None:
    numbers = np.array([len(post.pictures) for post in posts])
    assert set(numbers) <= set(range(1, 7))
    assert numbers.mean() == pytest.approx(1.5, abs=0.02)
    kinds = Counter(picture.kind for post in posts for picture in post.pictures)
    assert kinds["near-empty"] / numbers.sum() == pytest.approx(0.005, abs=0.0016)
    assert kinds["corrupt"] / numbers.sum() == pytest.approx(0.003, abs=0.0013)
    other = sum(picture.style != post.style for post in posts for picture in post.pictures)
    assert other / numbers.sum() == pytest.approx(0.08, abs=0.006)
    defects = Counter(post.defect for post in posts)
    assert 0 < defects["duplicate"] < 60
    assert 0 < defects["no year"] < 60


def test_written_counts() -> None:
    def forms(value: float) -> set[str]:
        return {written_count(value, np.random.default_rng(seed)) for seed in range(200)}

    assert forms(873.9) == {"873"}
    assert forms(12_345) == {"1.2万", "1.2w", "12k+", "12345"}
    assert forms(3_456) == {"3456", "3千"}


def test_engagement_leads_the_share_for_a_third_of_the_styles(plan: Plan) -> None:
    process = plan.process
    leading = np.flatnonzero(process.lead_S)
    assert len(leading) == 8
    assert ((process.lead_S[leading] >= 28) & (process.lead_S[leading] <= 56)).all()
    log_ST = np.log(np.maximum(process.share_ST, 1e-6))
    for s in leading:
        lead = process.lead_S[s]
        later, now = log_ST[s, lead:], process.level_ST[s, : -int(lead)]
        free = np.abs(now) < 2  # beyond, the level is clipped
        assert np.corrcoef(later[free], now[free])[0, 1] == pytest.approx(1)
    others = np.setdiff1d(np.arange(24), leading)
    steady = [s for s in others if process.born_S[s] == 0 and process.died_S[s] == 1095]
    related = [abs(np.corrcoef(log_ST[s, 42:], process.level_ST[s, :-42])[0, 1]) for s in steady]
    assert np.mean(related) < 0.35


def test_likes_are_heavy_tailed_and_go_with_collects(posts: list[Post]) -> None:
    pairs = np.array([(int(p.likes), int(p.collects)) for p in posts if p.likes.isdigit() and p.collects.isdigit()])
    logs = np.log1p(pairs)
    assert pairs[:, 0].mean() > 2 * np.median(pairs[:, 0])
    assert np.corrcoef(logs.T)[0, 1] > 0.8


def test_ar1_has_the_sd_and_memory_asked_for() -> None:
    path = ar1(np.random.default_rng(0), 200_000, sd=0.25, memory=30)
    assert path.std() == pytest.approx(0.25, rel=0.05)
    assert np.corrcoef(path[30:], path[:-30])[0, 1] == pytest.approx(math.exp(-1), abs=0.05)


def test_more_posts_at_the_weekend_and_in_later_years(plan: Plan) -> None:
    posts = pd.Series(plan.process.posts_T, pd.DatetimeIndex(plan.process.days_T))
    weekend = posts.index.dayofweek >= 5
    assert posts[weekend].mean() > 1.1 * posts[~weekend].mean()
    assert posts["2023"].sum() > 1.5 * posts["2021"].sum()
    assert posts.sum() == 20_000


def test_month_sums_leave_out_cut_months() -> None:
    days = np.datetime64("2021-01-30") + np.arange(2 + 28 + 31 + 3)
    sums, months = month_sums(np.ones((1, len(days))), days)
    assert list(months.astype(str)) == ["2021-02", "2021-03"]
    assert sums.tolist() == [[28, 31]]


def test_informed_oracle_knows_the_noise_until_the_origin_and_forgets_it_after(plan: Plan) -> None:
    process = plan.process
    shares_ST = informed_shares(process, origin=500)
    assert shares_ST.sum(axis=0) == pytest.approx(1)
    assert shares_ST[:, :501] == pytest.approx(process.share_ST[:, :501])
    assert shares_ST[:, 1000] == pytest.approx(process.expected_ST[:, 1000], abs=1e-6)


def test_future_is_partly_knowable(plan: Plan, posts: list[Post]) -> None:
    found = knowable(plan.process, counts_of(posts, plan.process))
    assert [found[key]["months"] for key in ("all_months", "last_12_months")] == [34, 12]
    for error in found.values():
        oracle, repeat, luck = (error[f"{key}_mae"] for key in ("oracle", "persistence", "sampling"))
        assert oracle is not None
        assert repeat is not None
        assert luck is not None
        assert luck < oracle < 0.6 * repeat
    whole = found["all_months"]
    assert (whole["sampling_mae"] or 0) < (whole["informed_oracle_mae"] or 0) < (whole["oracle_mae"] or 0)


def test_too_few_months_to_score() -> None:
    process = simulate(build_styles(5), "2021-01-01", 45, 500, seed=0)
    found = knowable(process, process.share_ST * process.posts_T)
    assert found["all_months"] == {
        "months": 0, "oracle_mae": None, "informed_oracle_mae": None, "persistence_mae": None, "sampling_mae": None,
    }  # fmt: skip


def test_noise_is_no_larger_than_told(plan: Plan) -> None:
    assert plan.process.noise_ST.std() == pytest.approx(NOISE_SD, rel=0.1)
