"""Command `blend`: the weights that `weigh` found, applied to files of other queries; a submission.

    python -m ensemble.blend --weights runs/weigh --scores A.csv B.csv C.csv --out BLEND.csv --submission SUBMISSION.csv

Shapes: M files, Q queries, K items of a pool (padded).
"""

import json
import logging
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.kddcup import write_submission
from ensemble.pool_loss import scaled
from ensemble.score_files import ScoreFiles, read_score_files
from ensemble.search import TREES, WEIGHTS
from ensemble.stack import apply_stack
from recall.kddcup_score import ranked
from recall.truth import as_scores
from stylecast.__main__ import run_command
from stylecast.errors import UserError
from stylecast.files import write_csv
from stylecast.runs import load_manifest

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BlendConfig:
    """Apply weights that `weigh` found to files of other queries."""

    scores: tuple[Path, ...]
    """The same members' files for these queries: by the names that they had in the search, or in its order."""
    weights: Path = Path("runs/weigh")
    """Run folder of `weigh`."""
    out: Path = Path("blend.csv")
    """CSV `query_id,item_id,model,score` of all pairs."""
    submission: Path | None = None
    """CSV `query-id,product1,…,product5`: the five best of each query, as KDD Cup 2020 asks for them."""


def _in_order(config: BlendConfig, names: list[str]) -> list[Path]:
    """The files in the order of the search."""
    if len(config.scores) != len(names):
        raise UserError(
            f"--scores: {len(config.scores)} files, but {config.weights} was searched over {len(names)}: "
            f"{', '.join(names[:5])}{' …' if len(names) > 5 else ''}; give one for each"
        )
    by_name = {path.stem: path for path in config.scores}
    if set(by_name) == set(names):
        return [by_name[name] for name in names]
    for name, path in zip(names, config.scores, strict=True):
        log.info("%s stands for %s", path, name)
    return list(config.scores)


def _blended(config: BlendConfig, told: dict, files: ScoreFiles) -> np.ndarray:
    if told["method"] == "stack":
        return apply_stack((config.weights / TREES).read_text(encoding="utf-8"), files)
    scores_MQK = scaled(files.scores_MQK, told["scale"], np.array(told["deviations"]))
    blended_QK = np.tensordot(np.array(told["weights"]), scores_MQK, axes=1)
    return np.where(files.pools.real(), blended_QK, -np.inf)


def main(config: BlendConfig) -> str:
    """Blend, and write the scores and the submission.

    Returns:
        What was written, to be printed.

    Raises:
        UserError: another number of files, files that do not fit each other, or fewer than five items for a query.
    """
    load_manifest(config.weights, "weigh")
    told = json.loads((config.weights / WEIGHTS).read_text(encoding="utf-8"))
    files = read_score_files(_in_order(config, told["files"]))
    blended_QK = _blended(config, told, files)
    lines = [f"{config.out}: {int(files.pools.real().sum())} scores of {len(files.pools.query_ids)} queries"]
    if config.submission is not None:
        write_submission(config.submission, ranked(blended_QK, files.pools), files.pools, files.paths[0])
        lines.append(f"{config.submission}: five products for each query")
    write_csv(as_scores({"blend": blended_QK}, files.pools), config.out)
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(run_command("blend", sys.argv[1:]))
