"""Command `evaluate`: how well a recall run matches, on its held-out posts or on candidate pools of your own.

    python -m recall.evaluate --run runs/recall
    python -m recall.evaluate --run runs/recall --pools POOLS.csv --answers ANSWERS.json --out SCORES.csv

Without pools, held-out posts are the queries: their words should find their pictures, in pools of 30 and in the
gallery of all held-out pictures. With pools, the candidates of each query are ranked; nothing of the pools is
learnt from, but where `--also` or `--rerank` ask for it: those are fitted and told out of fold, beside the
figure on the queries that they were fitted on.

Shapes: Q queries, K candidates of a pool (padded), C candidates in all, N pictures, H heads, D dimensions.
"""

import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch

from data.pools import read_answers
from data.posts import Posts
from data.splits import parse_cut_off
from pretrain.examples import divide, encode_words
from pretrain.pictures import PixelPictures, embed
from pretrain.task import usable_posts
from pretrain.train import PretrainConfig
from recall.gallery import build_gallery
from recall.metrics import first_rank, gallery_metrics, ndcg
from recall.pool_scores import Candidates, picture_features, score_pools
from recall.pools import bootstrap_interval, read_pools, read_scores
from recall.rerank import RerankConfig, fit_pool_reranker, query_features, rank_features
from recall.search import Searcher, input_of, recall_folder
from recall.train import RecallConfig
from recall.truth import Truth, as_scores, fit_pool_blend
from stylecast.__main__ import run_command
from stylecast.errors import UserError
from stylecast.files import write_csv
from stylecast.runs import identity_of, load_config, load_manifest

log = logging.getLogger(__name__)
FOLDS = 5


@dataclass(frozen=True)
class EvaluateConfig:
    """Tell how well a recall run matches: on held-out posts, or on candidate pools of your own."""

    run: Path = Path("runs/recall")
    """Run folder of `recall`, or the folder of a whole `stylecast run`."""
    posts: Path | None = None
    """Run folder of `prepare` that holds the posts; by default the one that the recall run was made from."""
    part: Literal["valid", "later"] = "valid"
    """Without pools: the posts that recall chose its weights on, or those after the cut-off (or of split test)."""
    pools: Path | None = None
    """CSV `query_id,query,item_id`, a row a candidate; an item is a post id, in the run's posts or in --posts."""
    answers: Path | None = None
    """JSON {query_id: [item_id, …]}; without it, the pools are scored and nothing is judged."""
    also: tuple[Path, ...] = ()
    """Further scores of the same candidates, CSV `query_id,item_id,score`; they are blended with the matchers."""
    rerank: bool = False
    """Also fit a LightGBM lambdarank re-ranker on the answers, and tell it out of fold."""
    reranker: RerankConfig = field(default_factory=RerankConfig)
    """How the re-ranker is fitted."""
    out: Path = Path("scores.csv")
    """CSV `query_id,item_id,model,score` of all candidates (with pools), or of each query's own pool (without)."""
    per_query: Path | None = None
    """CSV with the NDCG@5 and the first right rank of each query under each score."""


@dataclass(frozen=True)
class Judged:
    """What each score reaches on each query."""

    ndcg: dict[str, np.ndarray]
    """NDCG@5 by score, Q."""
    rank: dict[str, np.ndarray]
    """Rank of the first right item, from 1, Q."""
    queries: pd.DataFrame
    """query_id, query."""
    of: str
    """What the ranks count in."""
    in_sample: Mapping[str, float] = field(default_factory=dict)
    """NDCG@5 of fitted scores on the queries that they were fitted on."""
    note: str = "in-sample: on the very queries that weights or trees were fitted on; NDCG@5: on others"
    """Told below the table, where something was fitted."""

    def text(self) -> str:
        """The table."""
        lines = [
            f"{len(self.queries)} queries; 95% intervals by bootstrap over queries; recall and MRR in {self.of}",
            f"{'':<18}{'NDCG@5':>7}  {'95%':<13}{'in-sample':>10}{'R@1':>8}{'R@5':>8}{'R@10':>8}{'MRR':>8}",
        ]
        for name, values_Q in self.ndcg.items():
            low, high = bootstrap_interval(values_Q)
            told = gallery_metrics(self.rank[name])
            fitted = f"{self.in_sample[name]:.3f}" if name in self.in_sample else ""
            lines.append(
                f"{name:<18}{values_Q.mean():>7.3f}  {f'{low:.3f}-{high:.3f}':<13}{fitted:>10}"
                + "".join(f"{told[key]:>8.3f}" for key in ("recall@1", "recall@5", "recall@10", "mrr"))
            )
        if self.in_sample:
            lines.append(self.note)
        return "\n".join(lines)

    def table(self) -> pd.DataFrame:
        """One row a query: query_id, query, and for each score `ndcg@5 of NAME`, `first rank by NAME`."""
        columns = {f"ndcg@5 of {name}": values for name, values in self.ndcg.items()}
        return self.queries.assign(**columns, **{f"first rank by {name}": values for name, values in self.rank.items()})


def _held_out(config: EvaluateConfig, folder: Path, searcher: Searcher, posts: Posts) -> tuple[Judged, pd.DataFrame]:
    """Held-out posts as queries."""
    trained, models = load_config(folder, RecallConfig), searcher.models
    before = load_config(input_of(folder, "pretrain"), PretrainConfig)
    division = divide(posts, parse_cut_off(before.cut_off), before.loop.seed)
    words_PW = encode_words(posts.table, models.vocabulary, trained.text_width).words_PW
    gallery = build_gallery(
        posts.table, division, config.part, usable_posts(words_PW), queries=trained.valid_queries,
        pictures=trained.valid_pictures, pool=trained.pool, seed=before.loop.seed,
    )  # fmt: skip
    if not len(gallery.posts_Q):
        raise UserError(f"--part {config.part}: no such post has pictures and known words")
    pictures = PixelPictures.of(posts, models.encoder.config.view)
    heads = embed(models.encoder, pictures, gallery.rows_N, torch.device("cpu"))
    scores = models.score_posts(words_PW[gallery.posts_Q], heads)
    pooled = {name: np.take_along_axis(table, gallery.pool_QK, axis=1) for name, table in scores.items()}
    relevant = np.take_along_axis(gallery.relevant_QN, gallery.pool_QK, axis=1)
    asked = posts.table.iloc[gallery.posts_Q]
    judged = Judged(
        {name: ndcg(table, relevant) for name, table in pooled.items()},
        {name: first_rank(table, gallery.relevant_QN) for name, table in scores.items()},
        pd.DataFrame({"query_id": asked["post_id"].to_numpy(), "query": asked["words"].to_numpy()}),
        f"a gallery of {len(gallery.rows_N)} pictures",
    )
    if config.part == "valid":
        honest = load_manifest(folder, "recall")["metrics"]["blend_ndcg@5_nested"]
        note = f"weights of the blend were chosen on these very queries; chosen on other halves of them: {honest:.3f}"
        judged = replace(judged, in_sample={"blend": float(judged.ndcg["blend"].mean())}, note=note)
    items = posts.pictures["picture_id"].to_numpy(str)[gallery.rows_N][gallery.pool_QK]
    shown = [
        pd.DataFrame({"query_id": np.repeat(asked["post_id"].to_numpy(), items.shape[1]), "item_id": items.ravel(),
                      "model": name, "score": table.ravel()})
        for name, table in pooled.items()
    ]  # fmt: skip
    return judged, pd.concat(shown, ignore_index=True)


def _pools(
    config: EvaluateConfig, path: Path, folder: Path, searcher: Searcher, posts: Posts
) -> tuple[Judged | None, pd.DataFrame]:
    """Candidate pools from outside."""
    pools = read_pools(path, posts)
    told = load_manifest(folder, "recall")["inputs"]["posts"]["identity"]
    indexed = identity_of(config.posts or input_of(folder, "posts")) == told
    candidates = Candidates.of(searcher, posts, pools, indexed)
    scores = score_pools(searcher, candidates, pools)
    further = {path.stem: read_scores(path, pools) for path in config.also}
    clash = sorted(set(further) & set(scores))
    if clash or len(further) < len(config.also):
        raise UserError(f"--also: files named {', '.join(clash) or 'alike'}; a score goes by its file's name: rename")
    scores |= further
    if config.answers is None:
        return None, as_scores(scores, pools)
    truth = Truth.of(pools, read_answers(config.answers), str(config.answers))
    in_sample: dict[str, float] = {}
    if further:
        name = " + ".join(["blend", *further])
        if (truth.answers_Q > 0).sum() < FOLDS:
            raise UserError(f"--also: fewer than {FOLDS} queries have answers: give more")
        blended = fit_pool_blend(scores, ["blend", *further], truth, FOLDS)
        scores[name], in_sample[name] = blended.out_of_fold_QK, blended.in_sample
    if config.rerank:
        by_matcher = {name: scores[name] for name in ("word", "sentence", "search", *further)}
        pictures = picture_features(candidates, pools, scores)
        asked = [(words, len(unknown)) for words, unknown in map(searcher.models.known, pools.queries)]
        queries = query_features(asked, searcher.models.vocabulary.rates_V())
        features = rank_features(by_matcher, pools.real(), queries, pictures)
        reranked = fit_pool_reranker(features, pools, truth, config.reranker)
        scores["reranked"], in_sample["reranked"] = reranked.out_of_fold_QK, reranked.in_sample
    asked_Q = truth.answers_Q > 0
    unseen = pools.row_QK.shape[1] + 1  # the rank of an answer that stands in no pool
    names = pd.DataFrame({"query_id": pools.query_ids, "query": pools.queries})[asked_Q]
    lost = pd.DataFrame({"query_id": [""] * truth.lost, "query": ["(in the answers, not in the pools)"] * truth.lost})
    judged = Judged(
        {name: truth.ndcg(table) for name, table in scores.items()},
        {name: np.append(first_rank(table[asked_Q], truth.relevant_QK[asked_Q]), [unseen] * truth.lost)
         for name, table in scores.items()},
        pd.concat([names, lost], ignore_index=True), "the pools", in_sample,
    )  # fmt: skip
    return judged, as_scores(scores, pools)


def main(config: EvaluateConfig) -> str:
    """Evaluate, write the scores, and tell the table.

    Raises:
        UserError: no such run; pools, answers or scores that do not fit; flags that need others.
    """
    for flag, given in (("--answers", config.answers), ("--also", config.also), ("--rerank", config.rerank)):
        if given and config.pools is None:
            raise UserError(f"{flag} goes with --pools")
    for flag, given in (("--also", config.also), ("--rerank", config.rerank), ("--per-query", config.per_query)):
        if given and config.pools is not None and config.answers is None:
            raise UserError(f"{flag} needs --answers")
    folder = recall_folder(config.run)
    searcher, posts = Searcher.load(folder), Posts.load(config.posts or input_of(folder, "posts"))
    judged: Judged | None
    if config.pools is None:
        judged, scores = _held_out(config, folder, searcher, posts)
    else:
        judged, scores = _pools(config, config.pools, folder, searcher, posts)
    told = [] if judged is None else [judged.text()]
    write_csv(scores, config.out)
    if judged is not None and config.per_query is not None:
        write_csv(judged.table(), config.per_query)
    return "\n".join([*told, f"{config.out}: {len(scores)} scores"])


if __name__ == "__main__":
    sys.exit(run_command("evaluate", sys.argv[1:]))
