"""Blending score files: the quick metric against the slow one, files that do not fit, and both commands."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ensemble.blend import BlendConfig
from ensemble.blend import main as blend
from ensemble.pool_loss import Metric, PoolLoss, deviations, scaled
from ensemble.score_files import read_score_files
from ensemble.search import WeighConfig, main
from recall.metrics import first_rank, ndcg
from recall.rerank import RerankConfig
from recall.truth import Truth
from stylecast.errors import UserError
from stylecast.weights import search_weights, select_greedily

QUERIES, ITEMS = 40, 8


def made_up(folder: Path, seed: int, queries: int = QUERIES, start: int = 0) -> tuple[list[Path], Path]:
    """Two members that see half of the truth each on scales of their own, one that sees nothing; and the answers."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    right_QK = np.argsort(rng.random((queries, ITEMS)), axis=1) < 2
    noise_MQK = rng.normal(0, 0.7, (3, queries, ITEMS))
    scores = {
        "far": 100 * (right_QK + noise_MQK[0]),
        "near": 0.01 * (right_QK + noise_MQK[1]) - 3,
        "blind": noise_MQK[2],
    }
    pairs = [(f"q{start + q}", f"i{k}") for q in range(queries) for k in range(ITEMS)]
    for name, table_QK in scores.items():
        frame = pd.DataFrame(pairs, columns=["query_id", "item_id"]).assign(score=table_QK.ravel())
        frame.to_csv(folder / f"{name}.csv", index=False)
    answers = {f"q{start + q}": [f"i{k}" for k in np.flatnonzero(right_QK[q])] for q in range(queries)}
    (folder / "answers.json").write_text(json.dumps(answers))
    return [folder / f"{name}.csv" for name in scores], folder / "answers.json"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["ndcg@5", "ndcg@2", "recall@1", "recall@3", "mrr"]))
def test_the_quick_metric_is_the_slow_one(seed: int, name: str) -> None:
    rng = np.random.default_rng(seed)
    scores_MQK = rng.integers(0, 4, (3, 6, 7)).astype(float)  # few values, so that many tie
    real_QK = rng.random((6, 7)) < 0.8
    real_QK[:, 0] = True
    relevant_QK = real_QK & (rng.random((6, 7)) < 0.3)
    answers_Q = relevant_QK.sum(axis=1) + rng.integers(1, 3, 6)  # some stand in no pool
    loss = PoolLoss.of(np.where(real_QK, scores_MQK, 0), real_QK, Truth(relevant_QK, answers_Q, 0), Metric.parse(name))
    for weights_M, told_Q in zip(np.eye(3), loss.values(np.eye(3)), strict=True):
        table_QK = np.where(real_QK, np.tensordot(weights_M, scores_MQK, axes=1), -np.inf)
        first_Q, found_Q = first_rank(table_QK, relevant_QK), relevant_QK.any(axis=1)
        kind, _, depth = name.partition("@")
        slow = {
            "ndcg": lambda table_QK=table_QK, depth=depth: ndcg(table_QK, relevant_QK, int(depth), answers_Q),
            "recall": lambda first_Q=first_Q, found_Q=found_Q, depth=depth: found_Q & (first_Q <= int(depth)),
            "mrr": lambda first_Q=first_Q, found_Q=found_Q: found_Q / first_Q,
        }[kind]()
        np.testing.assert_allclose(told_Q, slow, atol=1e-12)
    index = np.array([4, 1])
    np.testing.assert_allclose(loss.take(index).values(np.eye(3)), loss.values(np.eye(3))[:, index])
    assert loss(np.eye(3)[0]) == pytest.approx(1 - loss.values(np.eye(3))[0].mean())


def test_scales_by_hand() -> None:
    scores = np.array([[[3.0, 1.0, 1.0, -np.inf], [5.0, -np.inf, -np.inf, -np.inf]]])
    assert deviations(scores) == pytest.approx(np.std([3, 1, 1, 5]))
    assert scaled(scores, "raw", np.array([2.0]))[0].tolist() == [[1.5, 0.5, 0.5, 0], [2.5, 0, 0, 0]]
    assert scaled(scores, "rank", np.ones(1))[0].tolist() == [[1.0, 0.25, 0.25, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(
        scaled(scores, "z", np.ones(1))[0], [[2**0.5, -(0.5**0.5), -(0.5**0.5), 0], [0, 0, 0, 0]]
    )


def test_many_members_are_searched_along_whole_lines() -> None:
    rng = np.random.default_rng(0)
    right_QK = np.argsort(rng.random((60, 10)), axis=1) < 2
    scores_MQK = right_QK * (np.arange(25) < 6)[:, None, None] * 0.8 + rng.normal(size=(25, 60, 10))
    truth = Truth(right_QK, right_QK.sum(axis=1), 0)
    loss = PoolLoss.of(scores_MQK, np.ones((60, 10), dtype=bool), truth, Metric.parse("ndcg@5"))
    greedy = select_greedily(loss, 25, 20)
    found = search_weights(loss, 25, rounds=20, grid=60, polish=0)
    assert found.loss <= greedy.loss < min(loss(np.full(25, 1 / 25)), *loss.of_each(np.eye(25)))
    assert found.weights_M.sum() == pytest.approx(1)
    assert (found.weights_M >= 0).all()
    assert found.weights_M[:6].sum() > 0.6


@pytest.mark.parametrize("method", ["linear", "greedy", "stack"])
def test_what_is_found_helps_on_queries_that_nothing_was_fitted_on(tmp_path: Path, method: str) -> None:
    paths, answers = made_up(tmp_path / "a", 0, 120)
    trees = RerankConfig(trees=40)
    config = WeighConfig(scores=tuple(paths), answers=answers, method=method, trees=trees, out=tmp_path / "w")  # type: ignore[arg-type]
    told = main(config)
    table = pd.read_csv(config.out / "table.csv").set_index("name")
    best, chosen = table.filter(like="best single", axis=0).iloc[0], table.iloc[-1]
    assert chosen["nested"] > best["nested"] + 0.03
    assert chosen["in_sample"] >= chosen["nested"] - 0.01
    assert chosen["lower"] < chosen["nested"] < chosen["upper"]
    assert f"{chosen['nested']:.4f}" in told
    # the figure holds on other queries, through the other command
    later, right = made_up(tmp_path / "b", 1, 120, start=500)
    given = BlendConfig(
        scores=tuple(later[::-1]), weights=config.out, out=tmp_path / "blend.csv", submission=tmp_path / "s.csv"
    )
    blend(given)
    frame = pd.read_csv(given.out)
    table_QK = frame.pivot(index="query_id", columns="item_id", values="score")
    answered = json.loads(right.read_text())
    relevant = np.array([[item in answered[query] for item in table_QK.columns] for query in table_QK.index])
    assert ndcg(table_QK.to_numpy(), relevant).mean() == pytest.approx(chosen["nested"], abs=0.08)
    sent = pd.read_csv(tmp_path / "s.csv", dtype=str)
    assert list(sent.columns) == ["query-id", *(f"product{n}" for n in range(1, 6))]
    assert sorted(sent["query-id"]) == sorted(answered)
    assert (sent.drop(columns="query-id").nunique(axis=1) == 5).all()


def test_the_order_of_rows_and_files_of_another_folder_change_nothing(tmp_path: Path) -> None:
    paths, answers = made_up(tmp_path / "a", 0)
    told = main(WeighConfig(scores=tuple(paths), answers=answers, out=tmp_path / "one"))
    for number, path in enumerate(paths):
        pd.read_csv(path).sample(frac=1, random_state=number).to_csv(path, index=False)
    again = main(WeighConfig(scores=tuple(paths), answers=answers, out=tmp_path / "two"))
    assert told.splitlines()[:-1] == again.splitlines()[:-1]
    assert (tmp_path / "one" / "weights.json").read_bytes() == (tmp_path / "two" / "weights.json").read_bytes()


def test_noise_gains_nothing_on_queries_that_were_not_seen(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    paths, answers = made_up(tmp_path, 0)
    for path in paths:
        frame = pd.read_csv(path)
        frame.assign(score=rng.normal(size=len(frame))).to_csv(path, index=False)
    main(WeighConfig(scores=tuple(paths), answers=answers, out=tmp_path / "w"))
    chosen = pd.read_csv(tmp_path / "w" / "table.csv").iloc[-1]
    assert chosen["in_sample"] > chosen["nested"] + 0.02


def test_a_query_of_the_answers_that_no_file_has_counts_nothing(tmp_path: Path) -> None:
    paths, answers = made_up(tmp_path, 0)
    main(WeighConfig(scores=tuple(paths), answers=answers, method="greedy", out=tmp_path / "w"))
    answers.write_text(json.dumps(json.loads(answers.read_text()) | {f"lost{n}": ["i0"] for n in range(QUERIES)}))
    main(WeighConfig(scores=tuple(paths), answers=answers, method="greedy", out=tmp_path / "v"))
    whole, half = (pd.read_csv(tmp_path / name / "table.csv") for name in "wv")
    np.testing.assert_allclose(half[["in_sample", "nested"]], whole[["in_sample", "nested"]] / 2)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda t: t.drop(index=3), r"near\.csv: item i3 of query q0 has no score, which line 5 of .*far\.csv has"),
        (lambda t: pd.concat([t, t.iloc[[2]].assign(item_id="i99")]),
         r"far\.csv: item i99 of query q0 has no score, which line 322 of .*near\.csv has"),
        (lambda t: pd.concat([t, t.iloc[[2]]]), r"near\.csv: line 322: item i2 of query q0 is scored twice"),
        (lambda t: t.assign(score=t["score"].where(t.index != 4)), r"near\.csv: line 6: the score '' is no finite"),
        (lambda t: t.assign(score=t["score"].where(t.index != 4, np.inf)), r"near\.csv: line 6: the score 'inf'"),
        (lambda t: t.rename(columns={"score": "s"}), r"near\.csv: no column score"),
        (lambda t: t.head(0), r"near\.csv: no row"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit_are_named_with_their_row(tmp_path: Path, change, what: str) -> None:  # noqa: ANN001
    paths, _ = made_up(tmp_path, 0)
    change(pd.read_csv(paths[1])).to_csv(paths[1], index=False)
    with pytest.raises(UserError, match=what):
        read_score_files(paths)


def test_what_else_does_not_fit(tmp_path: Path) -> None:
    paths, answers = made_up(tmp_path, 0)
    config = WeighConfig(scores=tuple(paths), answers=answers, out=tmp_path / "w")
    known = json.loads(answers.read_text())
    answers.write_text(json.dumps({query: ids for query, ids in known.items() if query != "q1"}))
    with pytest.raises(UserError, match=r"far\.csv: line 10: query q1 has no answer in .*answers\.json"):
        main(config)
    answers.write_text(json.dumps(known))
    with pytest.raises(UserError, match="two files named far"):
        read_score_files([paths[0], paths[0]])
    with pytest.raises(UserError, match="--metric map: unknown"):
        main(WeighConfig(scores=tuple(paths), answers=answers, metric="map"))
    with pytest.raises(UserError, match="--scales log"):
        main(WeighConfig(scores=tuple(paths), answers=answers, scales=("log",)))
    main(config)
    with pytest.raises(UserError, match=r"2 files, but .* was searched over 3"):
        blend(BlendConfig(scores=tuple(paths[:2]), weights=config.out, out=tmp_path / "b.csv"))
    for path in paths:
        frame = pd.read_csv(path)
        frame[frame["item_id"] < "i4"].to_csv(path, index=False)
    few = BlendConfig(scores=tuple(paths), weights=config.out, out=tmp_path / "b.csv", submission=tmp_path / "s.csv")
    with pytest.raises(UserError, match="its pool has 4 products"):
        blend(few)
    assert not few.out.exists()
