"""KDD Cup from files to a submission: the whole command on made-up files, what the flag exploits."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from data import kddcup
from data.kddcup import Products
from data.pools import read_answers
from data.sample_kddcup import KddCupSampleConfig
from data.sample_kddcup import main as sample
from pretrain.kddcup import encode_queries
from recall.context import ContextEncoder
from recall.gallery import score_all
from recall.hubs import hubness
from recall.kddcup import KddCupConfig, main
from recall.kddcup_recipes import tiny
from recall.kddcup_score import (
    BLEND,
    COUNTS,
    EXPLOIT,
    EXPLOIT_RERANKED,
    RERANKED,
    SENTENCE,
    WORD,
    candidate_features,
    embed_products,
    score_odds,
    score_pools,
    single_pool,
)
from recall.matcher import RegionMatcher
from recall.rerank import RerankConfig, fit_pool_reranker
from recall.text_model import TextConfig
from recall.truth import Truth
from stylecast.checkpoint import WEIGHTS
from stylecast.errors import UserError
from stylecast.runs import load_manifest
from tests.recall.texts import english_checkpoint

STEPS = ("train", "valid", "test", "pretrain", "recall", "scores")

BANK = np.array([[3, 4], [5, 0]])  # words of other people's queries


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("kddcup") / "files"
    return sample(KddCupSampleConfig(out=out, pairs=400, pools=30, boxes=1.5, noise=1.0))


@pytest.fixture(scope="module")
def config(files: Path) -> KddCupConfig:
    return replace(
        tiny(), train=files / "train.tsv", valid=files / "valid.tsv", answers=files / "valid_answer.json",
        test=files / "testB.tsv", test_answers=files / "truth" / "testB_answer.json", out=files.parent / "run",
    )  # fmt: skip


@pytest.fixture(scope="module")
def told(config: KddCupConfig) -> str:
    return main(config)


def figures(config: KddCupConfig) -> pd.DataFrame:
    return pd.read_csv(config.out / "scores" / "table.csv").set_index("score")


def submitted(config: KddCupConfig) -> list[list[str]]:
    with open(config.out / "submission.csv", newline="") as file:
        return list(csv.reader(file))


def test_from_files_to_a_submission(config: KddCupConfig, told: str) -> None:
    header, *rows = submitted(config)
    assert header == ["query-id", "product1", "product2", "product3", "product4", "product5"]
    pools = kddcup.pools_of(Products.load(config.out / "test"))
    assert [row[0] for row in rows] == list(pools.query_ids)
    for row, ids in zip(rows, pools.ids_QK, strict=True):
        assert len(set(row[1:])) == 5
        assert set(row[1:]) <= set(ids)
    table = figures(config)
    assert table.index.tolist() == ["random order", WORD, SENTENCE, BLEND, RERANKED]
    for name in (BLEND, RERANKED):
        assert table.loc[name, "test"] > table.loc["random order", "test"] + 0.2
        assert table.loc[name, "valid"] <= table.loc[name, "valid_in_sample"] + 1e-9
    for name in table.index:
        assert name in told
    chosen = table.index[table["chosen"]].tolist()
    assert chosen == [table["valid"].drop("random order").idxmax()]
    assert f"submission.csv  (by {chosen[0]}, the best on validation)" in told
    assert COUNTS not in told
    # The test's figure in the table is that of the submission itself.
    truth = read_answers(config.test_answers) if config.test_answers else {}
    scores = np.zeros(pools.ids_QK.shape) - np.inf
    for number, row in enumerate(rows):
        scores[number] = [-row[1:].index(i) if i in row[1:] else -10 if i else -np.inf for i in pools.ids_QK[number]]
    assert Truth.of(pools, truth, "truth").ndcg(scores).mean() == pytest.approx(table.loc[chosen[0], "test"], abs=1e-9)


def test_run_again_nothing_is_done_again(config: KddCupConfig, told: str) -> None:
    written = {step: (config.out / step / "manifest.json").stat().st_mtime_ns for step in STEPS}
    assert main(config) == told
    assert {step: (config.out / step / "manifest.json").stat().st_mtime_ns for step in STEPS} == written


def test_the_leak_moves_the_score_only_where_the_flag_is_on(config: KddCupConfig, told: str) -> None:
    honest, trained = figures(config), (config.out / "recall" / "manifest.json").stat().st_mtime_ns
    answered = submitted(config)
    exploiting = replace(config, exploit_pool_counts=True)
    text = main(exploiting)
    table = figures(config)
    assert table.index.tolist() == ["random order", WORD, SENTENCE, BLEND, RERANKED, EXPLOIT, EXPLOIT_RERANKED]
    told_of = honest.columns.drop("chosen")
    pd.testing.assert_frame_equal(table.loc[honest.index, told_of], honest[told_of])
    assert table.loc[EXPLOIT, "test"] > table.loc[BLEND, "test"] + 0.03
    assert table.loc[EXPLOIT_RERANKED, "test"] > table.loc[RERANKED, "test"] + 0.03
    assert "exploits how the competition drew its pools" in text
    assert submitted(config) != answered
    assert (config.out / "recall" / "manifest.json").stat().st_mtime_ns == trained
    main(config)  # and back
    assert submitted(config) == answered


def test_pools_beside_a_pool_move_no_honest_score(config: KddCupConfig, told: str) -> None:
    matchers, products = RegionMatcher.from_pretrained(config.out / "recall"), Products.load(config.out / "valid")
    heads, pools = embed_products(matchers, products, torch.device("cpu")), kddcup.pools_of(products)
    few = replace(pools, query_ids=pools.query_ids[:4], queries=pools.queries[:4], row_QK=pools.row_QK[:4],
                  ids_QK=pools.ids_QK[:4])  # fmt: skip
    all_of, some = (score_pools(matchers, heads, part, config.queries.width) for part in (pools, few))
    for name in (WORD, SENTENCE):
        np.testing.assert_array_equal(all_of[name][:4], some[name])
    hubness_N = hubness(matchers.text, BANK, heads.numpy(), 1.0, 1.0)
    spreads = {WORD: 2.0, SENTENCE: 3.0}
    all_odds, odds = (score_odds(s, spreads, hubness_N, p) for p, s in ((pools, all_of), (few, some)))
    np.testing.assert_array_equal(all_odds[:4], odds)
    assert (np.isfinite(odds) == few.real()).all()
    tables = [candidate_features(matchers, hubness_N, products, p, s) for p, s in ((pools, all_of), (few, some))]
    pd.testing.assert_frame_equal(tables[0].iloc[: len(tables[1])], tables[1])
    assert (single_pool(pools)[:4] != single_pool(few)).any()  # what the flag looks at does change


def test_a_reranker_finds_the_leak_only_where_it_is_told_the_counts(config: KddCupConfig, told: str) -> None:
    matchers, products = RegionMatcher.from_pretrained(config.out / "recall"), Products.load(config.out / "valid")
    heads, pools = embed_products(matchers, products, torch.device("cpu")), kddcup.pools_of(products)
    truth = Truth.of(pools, read_answers(config.answers), "answers")
    noise = np.random.default_rng(0).normal(size=(2, *pools.row_QK.shape))
    blind = {name: np.where(pools.real(), noise[i], -np.inf) for i, name in enumerate((WORD, SENTENCE))}
    features = candidate_features(matchers, np.zeros(len(heads)), products, pools, blind)
    counted = features.assign(**{COUNTS: single_pool(pools)[pools.real()]})
    honest, exploiting = (fit_pool_reranker(table, pools, truth, RerankConfig()) for table in (features, counted))
    chance = truth.chance(pools.real())
    assert abs(truth.ndcg(honest.out_of_fold_QK).mean() - chance) < 0.12
    assert truth.ndcg(exploiting.out_of_fold_QK).mean() > chance + 0.2
    assert honest.in_sample > chance + 0.3  # which is why it is never told alone


def test_pool_scores_are_those_of_the_full_matrix(config: KddCupConfig, told: str) -> None:
    matchers, products = RegionMatcher.from_pretrained(config.out / "recall"), Products.load(config.out / "test")
    heads, pools = embed_products(matchers, products, torch.device("cpu")), kddcup.pools_of(products)
    scores = score_pools(matchers, heads, pools, config.queries.width)
    full = score_all(matchers.text, encode_queries(pools.queries, matchers.vocabulary, config.queries.width), heads)
    for name, table_QN in zip((WORD, SENTENCE), full, strict=True):
        picked = np.take_along_axis(table_QN, np.maximum(pools.row_QK, 0), axis=1)
        np.testing.assert_allclose(scores[name][pools.real()], picked[pools.real()], atol=1e-5)


def test_stored_scores_are_whole(config: KddCupConfig, told: str) -> None:
    load_manifest(config.out / "scores", "kddcup-scores")
    frame = pd.read_parquet(config.out / "scores" / "scores-test.parquet")
    assert list(frame.columns) == ["query_id", "item_id", "model", "score"]
    assert np.isfinite(frame["score"]).all()
    assert not frame.duplicated(["query_id", "item_id", "model"]).any()
    rejected = pd.read_csv(config.out / "train" / "rejected.csv")
    assert rejected.empty


def test_small_pools_are_told_before_training(config: KddCupConfig, tmp_path: Path) -> None:
    lines = config.test.read_bytes().splitlines(keepends=True)
    (tmp_path / "small.tsv").write_bytes(b"".join(lines[:5]))
    with pytest.raises(UserError, match=r"small\.tsv: query 2000000 has fewer than 5 products"):
        main(replace(config, test=tmp_path / "small.tsv", out=tmp_path / "run"))
    assert not (tmp_path / "run" / "pretrain").exists()
    with pytest.raises(UserError, match=r"--valid .*none\.tsv: no such file"):
        main(replace(config, valid=tmp_path / "none.tsv", out=tmp_path / "run"))
    (tmp_path / "others.json").write_text(json.dumps({"5": [1]}))
    with pytest.raises(UserError, match=r"others\.json: names none of the queries"):
        main(replace(config, answers=tmp_path / "others.json"))


def test_wrong_settings_of_later_steps_are_told_first(config: KddCupConfig, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for change, told in (
        ({"text": TextConfig(model=str(tmp_path / "nowhere"))}, "--text.model .*nowhere: transformers cannot load it"),
        ({"cache_chunk": -1}, "--recall.cache-chunk -1: must be 0"),
    ):
        with pytest.raises(UserError, match=told):
            main(replace(config, recall=replace(config.recall, **change), out=out))
    assert not out.exists()


def test_two_processes(config: KddCupConfig, tmp_path: Path) -> None:
    flags = {"train": config.train, "valid": config.valid, "answers": config.answers, "test": config.test}
    told = [part for name, path in flags.items() for part in (f"--{name}", str(path))]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*torchrun, "-m", "recall.kddcup", "--recipe", "tiny", *told, "--out", str(tmp_path / "run")]
    short = ["--pretrain.loop.max-steps", "4", "--recall.loop.max-steps", "16", "-q"]  # 16: more than an epoch
    short += ["--recall.negatives.box-label", "0.3", "--recall.negatives.cluster", "0.3"]
    bert = english_checkpoint(tmp_path / "bert")
    short += ["--recall.text.model", str(bert), "--recall.text.context", "tuned", "--recall.cache-chunk", "20"]
    threads = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, *short], capture_output=True, text=True, env=threads)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("NDCG@5 of") == 1
    assert (tmp_path / "run" / "submission.csv").is_file()
    assert {name.partition(".")[0] for name in load_file(tmp_path / "run" / "recall" / WEIGHTS)} == {"encoder", "text"}
    reader = RegionMatcher.from_pretrained(tmp_path / "run" / "recall").text
    assert isinstance(reader, ContextEncoder)
    start = load_file(bert / "model.safetensors")["encoder.layer.1.output.dense.weight"]
    assert not torch.equal(reader.reader.model.state_dict()["encoder.layer.1.output.dense.weight"], start)
    assert not list((tmp_path / "run").glob(".*"))
