"""Planted leaks are caught: in the dates that runs tell, and where the dates lie, by working things out again."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from data.panel import Panel
from ensemble.audit import AuditConfig, main
from ensemble.combine import combine, forecast_frame
from ensemble.pipeline import RunConfig
from ensemble.train import EnsembleConfig
from ensemble.train import main as ensemble
from rank.ladder import ladder_shares
from rank.stored import load_backtest
from rank.train import RankConfig
from rank.train import main as rank
from recall.styles import StylesConfig
from recall.styles import main as styles
from stylecast.__main__ import run_command
from stylecast.errors import UserError
from stylecast.runs import _content_files, _hash_lines, hash_file, load_config


@pytest.fixture
def copy(finished: tuple[RunConfig, str], tmp_path: Path) -> Path:
    """The finished run in another place, to be spoilt."""
    return Path(shutil.copytree(finished[0].out, tmp_path / "copy"))


def seal(folder: Path, change: Callable[[dict], None] = lambda manifest: None) -> None:
    """Writes the manifest anew, as someone would who wants a spoilt run to look whole."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    files = {p.relative_to(folder).as_posix(): p for p in _content_files(folder)}
    manifest["files"] = {n: {"bytes": p.stat().st_size, "sha256": hash_file(p)} for n, p in files.items()}
    told = [f"{n} {f['sha256']}" for n, f in manifest["files"].items() if n != "config.json"]
    manifest["content"] = _hash_lines(told)
    change(manifest)
    path.write_text(json.dumps(manifest))


def again(run: Path, cut_off: str = "") -> None:
    """Ranks and weighs anew after something below was changed; quickly."""
    if cut_off:
        found = replace(load_config(run / "styles", StylesConfig), cut_off=cut_off, **places(run, "posts", "recall"))
        styles(replace(found, out=run / "styles"))
        ranked = replace(load_config(run / "rank", RankConfig), members=("gaussian-process",), out=run / "rank")
        rank(replace(ranked, **places(run, "posts", "recall", "styles")))
    config = load_config(run / "ensemble", EnsembleConfig)
    ensemble(replace(config, out=run / "ensemble", force=True, **places(run, "rank", "styles")))


def places(run: Path, *names: str) -> dict[str, Path]:
    return {name: run / ("prepare" if name == "posts" else name) for name in names}


def backtest_of(run: Path):  # noqa: ANN201
    return load_backtest(run / "rank", Panel.read(run / "styles" / "panel.parquet", granularity="day"))


def test_a_whole_run_has_no_leak_wherever_it_lies(copy: Path, tmp_path: Path) -> None:
    told = main(AuditConfig(run=copy, out=tmp_path / "audit.csv"))
    assert "LEAK" not in told
    table = pd.read_csv(tmp_path / "audit.csv", parse_dates=["origin", "until"])
    assert not table["leak"].any()
    assert (table["until"] <= table["origin"]).all()
    backtest = backtest_of(copy)
    assert told.count("  ok") == len(backtest.split.all) == 9
    assert set(table["input"]) == {
        "encoder of pretrain", "vocabulary of pretrain", "encoder of recall", "clusters of styles",
        "history and labels", "weights and intervals",
    }  # fmt: skip
    # Each is a real day of the posts, none a copy of a setting: the fit ends on the last day that has a post.
    posts = pd.read_parquet(copy / "prepare" / "posts.parquet")["time"].dt.normalize()
    clusters = table.loc[table["input"] == "clusters of styles", "until"].unique()
    assert len(clusters) == 1
    assert clusters[0] == posts[posts <= backtest.split.validation[0]].max()
    assert (table.loc[table["input"] == "history and labels", "until"] > backtest.split.train[-1]).all()


def test_styles_fitted_after_the_first_origin_are_a_leak(
    finished: tuple[RunConfig, str], copy: Path, capsys: pytest.CaptureFixture
) -> None:
    late = backtest_of(copy).split.test[1]
    again(copy, str(late.date()))
    with pytest.raises(UserError, match=r"leak: the forecast of last from .* \(validation\): clusters of styles used"):
        main(AuditConfig(run=copy))
    assert run_command("audit", [str(copy)]) == 2
    assert capsys.readouterr().err.count("stylecast: error: leak") == 1
    # The same with ids and days of an honest run: the centre of the clusters tells.
    honest = finished[0].out / "styles"
    shutil.rmtree(copy / "styles" / "fitted_on")
    shutil.copytree(honest / "fitted_on", copy / "styles" / "fitted_on")
    fitted = json.loads((honest / "manifest.json").read_text())["fitted_on"]
    seal(copy / "styles", lambda manifest: manifest.update(fitted_on=fitted))
    below = json.loads((copy / "styles" / "manifest.json").read_text())["content"]
    seal(copy / "rank", lambda manifest: manifest["inputs"]["styles"].update(identity=below))
    again(copy)
    with pytest.raises(UserError, match="clusters of styles: its centre is not that of the posts told"):
        main(AuditConfig(run=copy))


@pytest.mark.parametrize("lie", [False, True])
def test_weights_fitted_on_test_origins_are_a_leak(copy: Path, lie: bool) -> None:
    backtest, folder = backtest_of(copy), copy / "ensemble"
    both = pd.DatetimeIndex([*backtest.split.validation, *backtest.split.test])
    fitted = combine(backtest, both)
    test = forecast_frame(backtest, fitted, backtest.split.test)
    stored = pd.read_parquet(folder / "forecast.parquet")
    latest = stored[stored["origin"] == backtest.split.latest]
    pd.concat([test, latest], ignore_index=True).to_parquet(folder / "forecast.parquet", index=False)
    weights = dict(zip(backtest.models, fitted.weights_M.tolist(), strict=True))
    told_at = json.loads((folder / "weights.json").read_text())["weights_at"]
    (folder / "weights.json").write_text(json.dumps({"weights_at": dict.fromkeys(told_at, weights)}))

    def tell(manifest: dict) -> None:
        if not lie:
            first, latest = (f"weights of {day.date()}" for day in (backtest.split.test[0], backtest.split.latest))
            manifest["fitted_on"][first] = manifest["fitted_on"][latest]

    seal(folder, tell)
    told = (
        r"weights\.json: not the weights" if lie else r"leak: the forecast of .* \(test\): weights and intervals used"
    )
    with pytest.raises(UserError, match=told):
        main(AuditConfig(run=copy))


@pytest.mark.parametrize("lie", [False, True])
def test_rows_of_the_panel_after_the_origin_are_a_leak(copy: Path, lie: bool) -> None:
    backtest, folder = backtest_of(copy), copy / "rank"
    early, late = backtest.split.test[:2]
    seen = ladder_shares(backtest.panel, backtest.target, pd.DatetimeIndex([late])).set_index(["model", "style"])[
        "share"
    ]
    arrays = load_file(folder / "backtest.safetensors")
    place = backtest.places(pd.DatetimeIndex([early]))[0]
    shares_S = seen["mean-3"].reindex(backtest.panel.styles).fillna(0.0).to_numpy()
    arrays["share_MOS"][backtest.models.index("mean-3"), place] = shares_S / shares_S.sum()
    save_file({name: np.ascontiguousarray(values) for name, values in arrays.items()}, folder / "backtest.safetensors")
    if not lie:
        about = json.loads((folder / "backtest.json").read_text())
        about["used"]["mean-3"][place] = str(late.date())
        (folder / "backtest.json").write_text(json.dumps(about))
    seal(folder)
    again(copy)
    told = (
        "mean-3: is not what the panel up to then says" if lie else f"leak: the forecast of mean-3 from {early.date()}"
    )
    with pytest.raises(UserError, match=told):
        main(AuditConfig(run=copy))


def test_what_cannot_be_audited_is_told(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="neither a run of `ensemble` or `rank`"):
        main(AuditConfig(run=tmp_path))
    with pytest.raises(UserError, match="there is no forecast in it"):
        main(AuditConfig(run=copy / "styles"))
    assert "weights and intervals" not in main(AuditConfig(run=copy / "rank"))
    shutil.rmtree(copy / "pretrain" / "fitted_on")
    seal(copy / "pretrain")
    below = json.loads((copy / "pretrain" / "manifest.json").read_text())["content"]
    seal(copy / "recall", lambda manifest: manifest["inputs"]["pretrain"].update(identity=below))
    with pytest.raises(UserError, match="nothing tells what was fitted on; run the stage again"):
        main(AuditConfig(run=copy))
    panel = copy / "styles" / "panel.parquet"
    frame = pd.read_parquet(panel)
    frame.assign(count=frame["count"] * 2, total=frame["total"] * 2).to_parquet(panel, index=False)
    with pytest.raises(UserError, match=r"panel\.parquet: damaged"):
        main(AuditConfig(run=copy))
