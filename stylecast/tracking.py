"""MLflow by flag: `--mlflow URI`.

Every run folder that is made within `tracked` is one MLflow run of the experiment `stylecast`: its settings, the
scalars of its trainings with their steps, and its metrics in the end. `mlflow.json` in the folder names it, so that a
stage that goes on where it was stopped goes on with the same MLflow run. Rank 0 alone tells anything.
"""

import importlib.util
import json
import logging
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from stylecast.errors import UserError

log = logging.getLogger(__name__)
FILE = "mlflow.json"
EXPERIMENT = "stylecast"
MOST_PARAMS, MOST_METRICS, LONGEST = 100, 1000, 6000  # of a request, and characters of a value: MLflow takes no more

_uri: ContextVar[str] = ContextVar("mlflow_uri", default="")
_open: ContextVar["MlflowRun | None"] = ContextVar("mlflow_run", default=None)


@contextmanager
def tracked(uri: str) -> Iterator[None]:
    """Record the run folders that are made within the block.

    Args:
        uri: of an MLflow server or store, such as `http://host:5000` or `sqlite:///mlflow.db`; "" records nothing.

    Raises:
        UserError: MLflow is not installed.
    """
    if uri and importlib.util.find_spec("mlflow") is None:
        raise UserError(f"--mlflow {uri}: MLflow is not installed; pip install 'stylecast[mlflow]', or leave it out")
    token = _uri.set(uri)
    try:
        yield
    finally:
        _uri.reset(token)


def tracking_uri() -> str:
    """Where run folders are recorded; "" = nowhere."""
    return _uri.get()


def _client(uri: str) -> Any:  # noqa: ANN401  (of MLflow)
    # Its import would set up what tells its makers of each use, and its client prints links among our own answers.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    from mlflow import MlflowClient  # seconds, for those who ask for it

    return MlflowClient(tracking_uri=uri)


def flat(values: Mapping[str, Any], prefix: str = "", between: str = ".") -> dict[str, Any]:
    """Nested values by the way to them: `loop.lr`."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}{between}", between)
        else:
            found[f"{prefix}{name}"] = value
    return found


def _named(name: str) -> str:
    """A name that MLflow takes: `ndcg_at_5` of `ndcg@5`."""
    return re.sub(r"[^\w./ -]", "_", name.replace("@", "_at_"))


class MlflowRun:
    """A run of MLflow that a run folder is recorded in.

    Args:
        uri: where.
        folder: what the stage writes into; its `mlflow.json` tells which run goes on.
        name: of a new run.
        settings: of the stage.

    Raises:
        UserError: nothing can be recorded there.
    """

    def __init__(self, uri: str, folder: Path, name: str, settings: Mapping[str, Any]) -> None:
        self.uri, self.folder = uri, folder
        self.waiting: list[tuple[str, float, int, int]] = []
        try:
            self.client = _client(uri)
            self.id = self._go_on() or self._begin(name, settings)
        except Exception as error:  # MLflow raises its own, those of its database and of HTTP
            raise UserError(f"--mlflow {uri}: nothing can be recorded there ({str(error).splitlines()[0]})") from error
        (folder / FILE).write_text(json.dumps({"uri": uri, "run_id": self.id}) + "\n", encoding="utf-8")

    def _go_on(self) -> str | None:
        path = self.folder / FILE
        before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if before.get("uri") != self.uri:
            return None
        self.client.update_run(before["run_id"], status="RUNNING")
        return str(before["run_id"])

    def _begin(self, name: str, settings: Mapping[str, Any]) -> str:
        from mlflow.entities import Param

        known = self.client.get_experiment_by_name(EXPERIMENT)
        experiment = known.experiment_id if known else self.client.create_experiment(EXPERIMENT)
        run = str(self.client.create_run(experiment, run_name=name).info.run_id)
        params = [Param(_named(key), str(value)[:LONGEST]) for key, value in flat(settings).items()]
        for start in range(0, len(params), MOST_PARAMS):
            self.client.log_batch(run, params=params[start : start + MOST_PARAMS])
        return run

    def add(self, name: str, value: float, step: int) -> None:
        """Take down a scalar; it is sent by the next `flush`."""
        self.waiting.append((_named(name), float(value), int(time.time() * 1000), step))
        if len(self.waiting) >= MOST_METRICS:
            self.flush()

    def flush(self) -> None:
        """Send what waits; a server that cannot be reached stops no training, and is told of later."""
        from mlflow.entities import Metric

        try:
            while self.waiting:
                self.client.log_batch(self.id, metrics=[Metric(*told) for told in self.waiting[:MOST_METRICS]])
                del self.waiting[:MOST_METRICS]
        except Exception as error:  # as above
            first = str(error).splitlines()[0]
            log.warning("MLflow at %s: %d scalars are not recorded yet (%s)", self.uri, len(self.waiting), first)

    def end(self, status: str, metrics: Mapping[str, Any]) -> None:
        """Record the metrics of the run folder, and how the run ended."""
        for name, value in flat(metrics, between="/").items():
            if isinstance(value, int | float):
                self.add(name, value, 0)
        self.flush()
        try:
            self.client.set_terminated(self.id, status)
        except Exception as error:  # as above
            log.warning("MLflow at %s: the end is not recorded (%s)", self.uri, str(error).splitlines()[0])


@contextmanager
def recorded(folder: Path, name: str, settings: Mapping[str, Any], metrics: Mapping[str, Any]) -> Iterator[None]:
    """Record a run folder while it is made, if `tracked` asks for it.

    Args:
        folder: what the stage writes into.
        name: of the MLflow run.
        settings: of the stage.
        metrics: of the run folder; read in the end.

    Raises:
        UserError: nothing can be recorded there.
    """
    if not _uri.get():
        yield
        return
    run = MlflowRun(_uri.get(), folder, name, settings)
    token = _open.set(run)
    try:
        yield
    except BaseException as error:
        run.end("FAILED" if isinstance(error, Exception) else "KILLED", {})
        raise
    finally:
        _open.reset(token)
    run.end("FINISHED", metrics)


def current() -> MlflowRun | None:
    """The MLflow run of the run folder that is being made, if it is recorded."""
    return _open.get()
