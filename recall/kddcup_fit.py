"""What is fitted on the validation pools of a KDD Cup run: weights of the blend, and a re-ranker; all told, and judged.

Each is fitted without the pool counts, and again with them where the flag asks for it.

Shapes: Q queries, K products of a pool (padded), C candidates in all, F features, W words of a query (padded).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from data.kddcup import Products
from data.pools import Pools
from pretrain.examples import spread
from pretrain.kddcup import encode_queries
from recall.hubs import MOST, hubness, query_bank
from recall.kddcup_score import (
    BLEND,
    COUNTS,
    EXPLOIT,
    EXPLOIT_RERANKED,
    ODDS,
    RERANKED,
    SENTENCE,
    WORD,
    candidate_features,
    embed_products,
    score_odds,
    score_pools,
    single_pool,
)
from recall.kddcup_table import judge
from recall.matcher import RegionMatcher
from recall.rerank import RerankConfig, fit_pool_reranker, rerank
from recall.truth import Truth, as_scores, deviation, fit_pool_blend
from stylecast.runs import Run

SCORES, TABLE, BLENDS, TREES = "scores-{}.parquet", "table.csv", "blends.csv", "{}.txt"
Parts = dict[str, dict[str, np.ndarray]]


@dataclass(frozen=True)
class ScoreKey:
    """All that scores depend on, beside their inputs."""

    width: int
    exploit_pool_counts: bool
    rerank: bool
    reranker: RerankConfig


@dataclass(frozen=True)
class _Fitted:
    """A score that was fitted on the validation pools."""

    scores: dict[str, np.ndarray]
    """By part, Q×K: "valid" out of fold."""
    in_sample: float
    """NDCG@5 on the validation queries that it was fitted on."""


def _blend(scores: Parts, members: tuple[str, ...], truth: Truth) -> tuple[_Fitted, pd.DataFrame]:
    """Members blended; and their weights: member, weight, scale."""
    found = fit_pool_blend(scores["valid"], members, truth)
    weights, scales = found.blend.weights, found.blend.scales
    told = pd.DataFrame({"member": members, "weight": weights.values(), "scale": [scales[m] for m in members]})
    return _Fitted({"valid": found.out_of_fold_QK, "test": found.blend(scores["test"])}, found.in_sample), told


def _rerank(
    features: Mapping[str, pd.DataFrame], pools: Mapping[str, Pools], truth: Truth, config: RerankConfig
) -> tuple[_Fitted, str]:
    """Candidates re-ranked; and the trees, LightGBM's text format."""
    found = fit_pool_reranker(features["valid"], pools["valid"], truth, config)
    test_QK = pools["test"].fill(rerank(found.model, features["test"]))
    return _Fitted({"valid": found.out_of_fold_QK, "test": test_QK}, found.in_sample), found.model


def write_scores(
    key: ScoreKey, matchers: RegionMatcher, products: Mapping[str, Products], pools: Mapping[str, Pools],
    truths: Mapping[str, Truth], device: torch.device, run: Run,
) -> None:  # fmt: skip
    """Score the candidates, fit what is fitted, judge all, write it into the run.

    Args:
        key: the settings.
        matchers: the models.
        products: by part, "train" too.
        pools: by part.
        truths: of the part "valid" and, where its answers are known, "test".
        device: where to compute.
        run: gets the scores of each part, the table, the weights of blends, the trees of re-rankers.

    Raises:
        UserError: too few queries to fit a re-ranker on.
    """
    heads = {part: embed_products(matchers, products[part], device) for part in pools}
    scores: Parts = {part: score_pools(matchers, heads[part], pools[part], key.width) for part in pools}
    counts = {part: single_pool(pools[part]) for part in pools}
    others = sorted(set(products["train"].pairs["query"]))
    asked = [others[place] for place in spread(np.arange(len(others)), MOST)]
    bank_BW = query_bank(encode_queries(asked, matchers.vocabulary, key.width))
    spreads = {name: deviation(scores["valid"][name]) for name in (WORD, SENTENCE)}
    hubs = {
        part: hubness(matchers.text, bank_BW, heads[part].cpu().numpy(), spreads[WORD], spreads[SENTENCE])
        for part in pools
    }
    odds = {part: score_odds(scores[part], spreads, hubs[part], pools[part]) for part in pools}
    features = {
        part: candidate_features(matchers, hubs[part], products[part], pools[part], scores[part])
        for part in pools if key.rerank
    }  # fmt: skip
    fitted: dict[str, _Fitted] = {}
    weights = []
    for exploits in (False, True) if key.exploit_pool_counts else (False,):
        blend, reranked = (EXPLOIT, EXPLOIT_RERANKED) if exploits else (BLEND, RERANKED)
        known = {
            part: scores[part] | {ODDS: odds[part]} | ({COUNTS: counts[part]} if exploits else {}) for part in pools
        }
        fitted[blend], told = _blend(known, tuple(known["valid"]), truths["valid"])
        weights.append(told.assign(score=blend))
        if key.rerank:
            column = {part: {COUNTS: counts[part][pools[part].real()]} if exploits else {} for part in pools}
            table = {part: features[part].assign(**column[part]) for part in pools}
            fitted[reranked], trees = _rerank(table, pools, truths["valid"], key.reranker)
            (run.folder / TREES.format(reranked.replace(" ", "-"))).write_text(trees, encoding="utf-8")
    for part in pools:
        scores[part] |= {name: found.scores[part] for name, found in fitted.items()}
        as_scores(scores[part], pools[part]).to_parquet(run.folder / SCORES.format(part), index=False)
    judged = judge(truths, scores, {name: found.in_sample for name, found in fitted.items()}, pools)
    judged.to_csv(run.folder / TABLE, index=False)
    pd.concat(weights)[["score", "member", "weight", "scale"]].to_csv(run.folder / BLENDS, index=False)
    run.metrics |= {"ndcg@5": judged.set_index("score")["valid"].to_dict(), "queries": len(pools["valid"].query_ids)}
