"""MLflow by flag: settings, scalars and metrics of a run folder; a stopped stage goes on with the same MLflow run."""

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from stylecast import runs, tracking
from stylecast.cli import run_stage
from stylecast.errors import UserError
from stylecast.loop import LoopConfig, train
from stylecast.runs import load_manifest, open_run
from stylecast.tracking import FILE, MlflowRun, current, recorded, tracked
from stylecast.world import World, open_world
from tests.stylecast.toy import ToyBatches, ToyTask, losses_told

pytest.importorskip("mlflow", reason="needs the extra `mlflow`")


@dataclass(frozen=True)
class StageConfig:
    """A stage that trains a toy."""

    out: Path
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(
        epochs=2, batch_size=24, precision="fp32", checkpoint_seconds=0, workers=0
    ))  # fmt: skip


class Stopping(ToyBatches):
    """Batches of which one cannot be made."""

    def __init__(self, stop_at: int) -> None:
        super().__init__(noise=0.1, kill_at=0)
        self.stop_at = stop_at

    def batch(self, index: np.ndarray, generator: torch.Generator) -> dict[str, Tensor]:
        if self.calls == self.stop_at:
            raise RuntimeError("stopped half way")
        return super().batch(index, generator)


def stage(config: StageConfig, stop_at: int = -1) -> None:
    with open_world() as world, open_run(config.out, "toy", config, {}, world=world) as run:
        assert run is not None
        place = run.folder / "member-0"
        place.mkdir(exist_ok=True)
        told = train(ToyTask(world, 0.1), Stopping(stop_at), config.loop, world, place, monitor="size", mode="min")
        run.metrics |= {"ndcg@5": 0.5, "name": "toy", "curve": {"3": 0.25}} | told


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A local file store, which MLflow 3 asks to be allowed."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    return (tmp_path / "store").as_uri()


def runs_in(uri: str) -> list[Any]:
    client = tracking._client(uri)
    return list(client.search_runs([e.experiment_id for e in client.search_experiments()]))


def test_a_stopped_stage_goes_on_with_the_same_mlflow_run(store: str, tmp_path: Path) -> None:
    config = StageConfig(tmp_path / "runs" / "toy")
    with tracked(store):
        with pytest.raises(RuntimeError, match="half way"):
            stage(config, stop_at=8)
        assert [run.info.status for run in runs_in(store)] == ["FAILED"]
        stage(config)
    (run,) = runs_in(store)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "toy runs/toy"
    assert run.data.params["loop.lr"] == "0.001"
    assert run.data.metrics["ndcg_at_5"] == 0.5
    assert run.data.metrics["curve/3"] == 0.25
    history = tracking._client(store).get_metric_history(run.info.run_id, "member-0/loss/total")
    by_step = {metric.step: metric.value for metric in history}
    assert sorted(by_step) == list(range(20))  # 240 examples, 24 a step, twice: no step is missing
    told = losses_told(config.out / "member-0")
    assert [by_step[step] for step in range(20)][-5:] == pytest.approx(told[-5:])
    assert {metric.step for metric in tracking._client(store).get_metric_history(
        run.info.run_id, "member-0/valid/size")} == {10, 20}  # fmt: skip
    # What is told by the clock, or elsewhere, is no part of what the run folder is.
    assert json.loads((config.out / FILE).read_text())["run_id"] == run.info.run_id
    names = set(load_manifest(config.out, "toy")["files"])
    assert not [name for name in names if "tensorboard" in name or FILE in name]
    stage(StageConfig(tmp_path / "runs" / "untold"))
    assert len(runs_in(store)) == 1


def test_a_database_is_a_store_too(tmp_path: Path) -> None:
    uri, metrics = f"sqlite:///{tmp_path / 'mlflow.db'}", {"a": 1.5}
    with tracked(uri), recorded(tmp_path, "toy", {"k": (1, 2)}, metrics):
        assert current() is not None
    assert current() is None
    (run,) = runs_in(uri)
    assert (run.data.params, run.data.metrics) == ({"k": "(1, 2)"}, {"a": 1.5})


def test_rank_0_alone_records(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "barrier", lambda world: None)
    monkeypatch.setattr(runs, "broadcast_object", lambda value, world: value)
    second = World(1, 2, 1, torch.device("cpu"))
    with tracked(store), open_run(tmp_path / "run", "toy", StageConfig(tmp_path), {}, world=second):
        assert current() is None
    assert not (tmp_path / "store").exists()


def test_a_server_that_is_away_for_a_while_stops_nothing(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = MlflowRun(store, tmp_path, "toy", {})
    send = run.client.log_batch

    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(run.client, "log_batch", refuse)
    run.add("loss", 2.0, 0)
    with caplog.at_level(logging.WARNING):
        run.flush()
    assert "1 scalars are not recorded yet (no route to host)" in caplog.text
    monkeypatch.setattr(run.client, "log_batch", send)
    run.add("loss", 1.0, 1)
    run.flush()
    assert [m.value for m in run.client.get_metric_history(run.id, "loss")] == [2.0, 1.0]


def test_what_cannot_be_recorded_is_the_users_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    with pytest.raises(UserError, match="nothing can be recorded there"):
        MlflowRun("nonsense://here", tmp_path, "toy", {})
    assert not (tmp_path / FILE).exists()
    flags = ["--out", str(tmp_path), "--mlflow", "sqlite:///x.db"]
    assert run_stage(print, StageConfig, prog="stylecast toy", description="", args=flags) == 2
    assert "`stylecast toy` trains nothing; leave the flag out" in capsys.readouterr().err
    monkeypatch.setattr(tracking.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'stylecast\[mlflow\]'"), tracked("sqlite:///x.db"):
        pass
