"""What something was fitted on: the ids of the posts, kept beside the weights, so that an audit can look up their days.

A stage calls `tell_fitted` with the very rows that it learnt from or chose by. `manifest.json` then holds
`fitted_on: {PART: {posts, until}}`, and `fitted_on/PART.parquet` the ids.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from stylecast.errors import UserError
from stylecast.runs import Run

FOLDER = "fitted_on"


def last_day(times: pd.Series) -> str | None:
    """The latest day of some posts as YYYY-MM-DD; None when one of them has no time, or there is none."""
    return None if times.empty or times.isna().any() else str(times.max().date())


def tell_fitted(run: Run, part: str, table: pd.DataFrame, used: np.ndarray) -> None:
    """Keep which posts a part of a stage was fitted on or chosen by.

    Args:
        run: the stage at work.
        part: what was fitted: `encoder`, `vocabulary`, `clusters`, …
        table: the posts, with `post_id` and, if known, `time`.
        used: rows of the table: numbers (repeats count once) or a mask.
    """
    rows = np.flatnonzero(used) if used.dtype == bool else np.unique(used)
    chosen = table.iloc[rows]
    (run.folder / FOLDER).mkdir(exist_ok=True)
    chosen[["post_id"]].to_parquet(run.folder / FOLDER / f"{part}.parquet", index=False)
    until = last_day(chosen["time"]) if "time" in chosen else None
    run.fitted_on[part] = {"posts": len(chosen), "until": until}


def fitted_posts(folder: Path, part: str) -> pd.Series:
    """Ids of the posts that a part of a run was fitted on.

    Raises:
        UserError: the run does not tell, because it is older than this.
    """
    path = folder / FOLDER / f"{part}.parquet"
    if not path.is_file():
        raise UserError(f"{path}: missing, so nothing tells what was fitted on; run the stage again with --force")
    return pd.read_parquet(path)["post_id"]
