"""`evaluate`: candidate pools from outside, further scores, a re-ranker; and held-out posts."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.posts import Posts
from recall.evaluate import EvaluateConfig, main
from recall.metrics import ndcg
from recall.pools import best_of_posts, bootstrap_interval, read_pools
from recall.rerank import RerankConfig, fit_reranker, rank_features, rerank, rerank_out_of_fold
from stylecast.errors import UserError
from tests.pretrain.shapes import shapes_posts

COLOURS = ("红色", "绿色", "蓝色")


def write_pools(posts: Posts, folder: Path, per_colour: int = 8) -> tuple[Path, Path]:
    """Pools of ten posts, two of which hold the asked colour, with their answers."""
    rng = np.random.default_rng(0)
    table = posts.table[posts.table["post_id"].isin(posts.pictures["post_id"])]
    rows: list[tuple[str, str, str]] = []
    answers: dict[str, list[str]] = {}
    for colour in COLOURS:
        holds = table["words"].str.split().map(lambda words, colour=colour: colour in words).to_numpy(bool)
        ids = table["post_id"].to_numpy(str)
        for number in range(per_colour):
            right, wrong = rng.choice(ids[holds], 2, False), rng.choice(ids[~holds], 8, False)
            name = f"{colour}-{number}"
            answers[name] = right.tolist()
            rows += [(name, colour, item) for item in rng.permutation([*right, *wrong])]
    pools, told = folder / "pools.csv", folder / "answers.json"
    pd.DataFrame(rows, columns=["query_id", "query", "item_id"]).to_csv(pools, index=False)
    told.write_text(json.dumps(answers), encoding="utf-8")
    return pools, told


def judged_by_hand(scores: pd.DataFrame, answers: Mapping[str, Sequence[str]], model: str) -> float:
    values = []
    for query_id, part in scores[scores["model"] == model].groupby("query_id"):
        right = part["item_id"].isin(answers[str(query_id)]).to_numpy()
        values.append(ndcg(part["score"].to_numpy()[None], right[None])[0])
    return float(np.mean(values))


def figures(told: str) -> dict[str, float]:
    lines = [line for line in told.splitlines() if "-0." in line or "-1.000" in line]
    return {line[:18].strip(): float(line[18:25]) for line in lines}


@pytest.fixture(scope="session")
def pools(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_pools(Posts.load(shapes / "prepare"), tmp_path_factory.mktemp("pools"))


def test_pools_are_scored_and_judged(recall_run: Path, pools: tuple[Path, Path], tmp_path: Path) -> None:
    config = EvaluateConfig(
        run=recall_run, pools=pools[0], answers=pools[1], out=tmp_path / "s.csv", per_query=tmp_path / "q.csv"
    )
    told = figures(main(config))
    scores = pd.read_csv(config.out)
    answers = json.loads(pools[1].read_text(encoding="utf-8"))
    for model in ("word", "sentence", "blend", "search"):
        assert told[model] == pytest.approx(judged_by_hand(scores, answers, model), abs=5e-4)
    assert told["search"] > 0.8  # chance: 0.27
    per_query = pd.read_csv(tmp_path / "q.csv")
    assert per_query["query_id"].tolist() == list(answers)
    assert per_query["ndcg@5 of word"].mean() == pytest.approx(told["word"], abs=5e-4)


def test_other_posts_than_those_of_the_run(recall_run: Path, tmp_path: Path) -> None:
    other = shapes_posts(tmp_path, late_words=("红色", "绿色", "蓝色", "方块"))
    pools, answers = write_pools(Posts.load(other), tmp_path)
    told = figures(
        main(EvaluateConfig(run=recall_run, posts=other, pools=pools, answers=answers, out=tmp_path / "s.csv"))
    )
    assert told["search"] > 0.6


def test_further_scores_are_blended_out_of_fold(recall_run: Path, pools: tuple[Path, Path], tmp_path: Path) -> None:
    table, answers = pd.read_csv(pools[0]), json.loads(pools[1].read_text(encoding="utf-8"))
    right = [item in answers[query] for query, item in zip(table["query_id"], table["item_id"], strict=True)]
    table.assign(score=np.array(right, float))[["query_id", "item_id", "score"]].to_csv(tmp_path / "oracle.csv")
    config = EvaluateConfig(
        run=recall_run, pools=pools[0], answers=pools[1], also=(tmp_path / "oracle.csv",), out=tmp_path / "s.csv"
    )
    told = figures(main(config))
    assert told["oracle"] == 1
    assert told["blend + oracle"] > told["blend"]
    short = table.iloc[1:].assign(score=0.0)[["query_id", "item_id", "score"]]
    short.to_csv(tmp_path / "short.csv", index=False)
    with pytest.raises(UserError, match="has no score; every candidate needs one"):
        main(replace(config, also=(tmp_path / "short.csv",)))


def test_a_reranker_learns_from_other_queries_alone() -> None:
    rng = np.random.default_rng(0)
    sizes = np.full(60, 10)
    relevant = np.tile(np.arange(10) < 2, 60)
    noise = pd.DataFrame({f"noise {i}": rng.normal(size=600) for i in range(4)})
    config = RerankConfig(trees=60)
    depth = relevant.reshape(60, 10)

    def told(scores_C: np.ndarray) -> float:
        return float(ndcg(scores_C.reshape(60, 10), depth).mean())

    chance = told(rng.random(600))
    fitted = rerank(fit_reranker(noise, relevant, sizes, config), noise)
    assert told(fitted) > chance + 0.3  # it knows these very queries by heart
    assert abs(told(rerank_out_of_fold(noise, relevant, sizes, config)) - chance) < 0.1
    useful = noise.assign(signal=relevant + rng.normal(0, 0.5, 600))
    assert told(rerank_out_of_fold(useful, relevant, sizes, config)) > chance + 0.3


def test_features_tell_scores_ranks_and_distances() -> None:
    scores = {"word": np.array([[0.1, 0.9, -np.inf], [0.3, 0.2, 0.5]])}
    real = np.isfinite(scores["word"])
    features = rank_features(scores, real, pd.DataFrame({"words": [1, 2]}), pd.DataFrame({"hub": np.zeros(5)}))
    assert features["word rank"].tolist() == [1, 0, 1, 2, 0]
    np.testing.assert_allclose(features["word behind"], [0.8, 0, 0.2, 0.3, 0], rtol=1e-5)
    assert features["words"].tolist() == [1, 1, 2, 2, 2]
    assert not any("pool" in name for name in features.columns)


def test_rerank_through_the_command(recall_run: Path, pools: tuple[Path, Path], tmp_path: Path) -> None:
    told = main(EvaluateConfig(run=recall_run, pools=pools[0], answers=pools[1], rerank=True, out=tmp_path / "s.csv"))
    assert figures(told)["reranked"] > 0.6
    assert "in-sample: on the very queries" in told


def test_held_out_posts_as_queries(recall_run: Path, tmp_path: Path) -> None:
    told = main(EvaluateConfig(run=recall_run, out=tmp_path / "s.csv"))
    metrics = json.loads((recall_run / "manifest.json").read_text())["metrics"]
    assert figures(told)["word"] == pytest.approx(metrics["word_ndcg@5"], abs=1e-3)
    assert f"{metrics['blend_ndcg@5_nested']:.3f}" in told
    later = main(EvaluateConfig(run=recall_run, part="later", out=tmp_path / "s.csv"))
    assert "chosen on these very queries" not in later


def test_runs_that_moved_together_are_found(recall_run: Path, tmp_path: Path) -> None:
    home, away = recall_run.parent, tmp_path / "away"
    home.rename(away)
    try:
        told = main(EvaluateConfig(run=away / "recall", out=tmp_path / "s.csv"))
        (away / "pretrain").rename(tmp_path / "elsewhere")
        try:
            with pytest.raises(UserError, match=r"the pretrain of .* is not there any more"):
                main(EvaluateConfig(run=away / "recall", out=tmp_path / "s.csv"))
        finally:
            (tmp_path / "elsewhere").rename(away / "pretrain")
    finally:
        away.rename(home)
    assert figures(told)["word"] > 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.rename(columns={"item_id": "item"}), "no column item_id"),
        (lambda t: t.assign(item_id="nobody"), "line 2: item nobody is no post"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "stands twice in its pool"),
        (lambda t: t.assign(query=[*t["query"][:-1], "other"]), "is written in two ways"),
    ],
)
def test_pools_that_do_not_fit_are_told(
    change: Callable[[pd.DataFrame], pd.DataFrame], message: str, pools: tuple[Path, Path], shapes: Path, tmp_path: Path
) -> None:
    change(pd.read_csv(pools[0])).to_csv(tmp_path / "pools.csv", index=False)
    with pytest.raises(UserError, match=message):
        read_pools(tmp_path / "pools.csv", Posts.load(shapes / "prepare"))


def test_flags_that_need_others(recall_run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--rerank goes with --pools"):
        main(EvaluateConfig(run=recall_run, rerank=True))
    with pytest.raises(UserError, match="--per-query needs --answers"):
        main(EvaluateConfig(run=recall_run, pools=tmp_path / "p.csv", per_query=tmp_path / "q.csv"))


def test_a_post_is_as_good_as_its_best_picture() -> None:
    best = best_of_posts(np.array([0.2, 0.9, 0.4]), np.array([0, 0, 2]), 3)
    np.testing.assert_allclose(best, [0.9, 0.2, 0.4])  # the post without a picture gets the least


def test_the_interval_holds_the_mean_and_narrows_with_queries() -> None:
    values = np.random.default_rng(0).random(400)
    few, many = bootstrap_interval(values[:40]), bootstrap_interval(values)
    assert few[0] < values[:40].mean() < few[1]
    assert many[1] - many[0] < (few[1] - few[0]) / 2
    assert many[1] - many[0] == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
