"""The stage tells which of its inputs learnt from posts later than the first origin that is judged."""

import stylecast  # noqa: F401  # isort: skip
import json
from pathlib import Path

import pytest

from data.panel import Panel
from rank.stored import load_backtest
from rank.train import RankConfig
from rank.train import main as rank
from tests.rank.runs import make_posts, make_runs


def _tell(folder: Path, part: str, until: str | None) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"fitted_on": {part: {"posts": 9, "until": until}}}))


def test_styles_that_learnt_from_later_posts_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    runs = make_runs(tmp_path, make_posts(count=600, days=150))
    config = RankConfig(
        styles=runs["styles"], posts=runs["posts"], recall=runs["recall"], target="days:10-15", test_origins=2,
        validation_origins=2, members=(), out=tmp_path / "rank", force=True,
    )  # fmt: skip
    _tell(runs["recall"], "encoder", "2030-01-01")  # without the fusion-LSTM nobody reads it
    rank(config)
    panel = Panel.read(runs["styles"] / "panel.parquet", granularity="day")
    first = load_backtest(config.out, panel).split.validation[0]
    for until, late in ((first, False), (panel.days[panel.index(first) + 1], True), (None, True)):
        caplog.clear()
        _tell(runs["styles"], "clusters", None if until is None else str(until.date()))
        rank(config)
        told = [record.getMessage() for record in caplog.records if "learnt from posts" in record.getMessage()]
        assert len(told) == late
        if late:
            assert told[0].startswith(f"--styles {runs['styles']}: its clusters learnt")
            assert f"--cut-off {panel.days[panel.index(first) + 1].date()}" in told[0]
