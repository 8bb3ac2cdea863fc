"""The loop: killed and resumed, spread over processes, stopped by a loss that is no number."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from stylecast.chance import seed_torch
from stylecast.errors import UserError
from stylecast.loop import LoopConfig, Task, _learning_rate, train
from stylecast.world import _device, open_world

TOY = Path(__file__).with_name("toy.py")


def run_toy(folder: Path, kill_at: int = 0, noise: float = 0.1, nproc: int = 1, accumulate: int = 1) -> int:
    folder.mkdir(exist_ok=True)
    program = [str(TOY), str(folder), str(kill_at), str(noise), str(accumulate)]
    spread = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(nproc)] if nproc > 1 else []
    done = subprocess.run(
        [sys.executable, *spread, *program], capture_output=True, text=True, timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


def result(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "result.json").read_text())


def test_a_killed_training_ends_with_the_same_weights(tmp_path: Path) -> None:
    run_toy(tmp_path / "whole")
    # Four epochs of ten steps: die in the middle of the first epoch, then again in the third.
    for kill_at in (7, 18):
        assert run_toy(tmp_path / "killed", kill_at) == -signal.SIGKILL
        assert not (tmp_path / "killed" / "result.json").exists()
    assert run_toy(tmp_path / "killed") == 0
    whole, killed = result(tmp_path / "whole"), result(tmp_path / "killed")
    assert killed["weights"] == whole["weights"]
    assert killed["metrics"] == whole["metrics"]


def test_two_processes_follow_one(tmp_path: Path) -> None:
    run_toy(tmp_path / "one", noise=0.0)
    run_toy(tmp_path / "two", noise=0.0, nproc=2)
    one, two = result(tmp_path / "one")["losses"], result(tmp_path / "two")["losses"]
    assert len(one) == len(two) == 40
    np.testing.assert_allclose(two[:20], one[:20], rtol=0, atol=1e-5)


class Line(Task):
    """y = w x, without batch-wide terms, so that accumulation must change nothing."""

    def __init__(self, poison_at: float = 1e9) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1, 1))
        self.poison_at = poison_at
        self.evaluations = 0

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        loss = ((batch["x"] * self.weight[0] - 3 * batch["x"]) ** 2).mean()
        if float(self.weight.detach()) > self.poison_at:
            loss = loss * float("nan")
        return {"square": loss}

    def evaluate(self) -> dict[str, float]:
        self.evaluations += 1
        return {"error": abs(self.weight.item() - 1.0)}


class Numbers:
    """x = 1 … n."""

    def __init__(self, count: int) -> None:
        self.x = torch.arange(1, count + 1, dtype=torch.float32) / count
        self.seen: list[np.ndarray] = []

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, index: np.ndarray, generator: torch.Generator) -> dict[str, Tensor]:
        self.seen.append(index)
        return {"x": self.x[index]}


class Noisy(Numbers):
    """Numbers that are augmented."""

    def batch(self, index: np.ndarray, generator: torch.Generator) -> dict[str, Tensor]:
        return {"x": self.x[index] + 0.1 * torch.randn(len(index), generator=generator)}


PLAIN = LoopConfig(epochs=6, batch_size=8, lr=0.1, precision="fp32", weight_decay=0.0, clip_norm=0.0, workers=0)


def fit(task: Line, config: LoopConfig, folder: Path, count: int = 32) -> tuple[dict[str, float], Numbers]:
    numbers = Numbers(count)
    with open_world() as world:
        return train(task, numbers, config, world, folder, monitor="error", mode="min"), numbers


def test_the_best_weights_are_kept_not_the_last(tmp_path: Path) -> None:
    task = Line()
    metrics, _ = fit(task, replace(PLAIN, epochs=30), tmp_path)
    # The weight passes 1 on its way to 3; validation likes 1 best.
    assert abs(task.weight.item() - 1.0) == pytest.approx(metrics["error"], abs=1e-6)
    assert metrics["error"] < 0.5


def test_patience_stops_early(tmp_path: Path) -> None:
    patient, eager = Line(), Line()
    fit(patient, replace(PLAIN, epochs=30), tmp_path / "a")
    fit(eager, replace(PLAIN, epochs=30, patience=2), tmp_path / "b")
    assert patient.evaluations == 30
    assert eager.evaluations < 20


@pytest.mark.parametrize(("asked", "threads"), [(None, 1), ("3", 3)])
def test_a_process_has_one_thread_unless_told_otherwise(
    asked: str | None, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, pictures = torch.get_num_threads(), cv2.getNumThreads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    try:
        torch.set_num_threads(3)  # as torch itself would on three cores
        cv2.setNumThreads(3)
        with open_world():
            assert torch.get_num_threads() == threads
            assert cv2.getNumThreads() == 1
    finally:
        torch.set_num_threads(before)
        cv2.setNumThreads(pictures)


def test_a_step_is_seeded_as_by_torch() -> None:
    seed_torch(7, torch.device("cpu"))
    drawn = torch.rand(3)
    torch.manual_seed(7)
    assert torch.equal(drawn, torch.rand(3))


def test_every_epoch_takes_each_example_once(tmp_path: Path) -> None:
    _, numbers = fit(Line(), PLAIN, tmp_path)
    seen = np.concatenate(numbers.seen).reshape(6, 32)
    assert all(sorted(epoch) == list(range(32)) for epoch in seen)
    assert not np.array_equal(seen[0], seen[1])


def test_accumulation_changes_nothing_but_memory(tmp_path: Path) -> None:
    once, thrice = Line(), Line()
    fit(once, PLAIN, tmp_path / "a")
    fit(thrice, replace(PLAIN, accumulate=4), tmp_path / "b")
    assert once.weight.item() == pytest.approx(thrice.weight.item(), abs=1e-5)


def test_workers_change_nothing_but_time(tmp_path: Path) -> None:
    weights = []
    for workers in (0, 2):
        task, config = Line(), replace(PLAIN, workers=workers)
        with open_world() as world:
            train(task, Noisy(32), config, world, tmp_path / str(workers), monitor="error", mode="min")
        weights.append(task.weight.item())
    assert weights[0] == weights[1]


class Miner(Line):
    """A line whose batches depend on where it stood when their epoch began."""

    mines = True

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("found", torch.zeros(1))
        self.told: list[tuple[int, bool]] = []

    def mine(self, epoch: int, begun: bool) -> None:
        self.told.append((epoch, begun))
        if not begun:
            self.found.copy_(self.weight[0])


class Mined(Numbers):
    """Numbers that a miner moves; from the given call on there are none."""

    def __init__(self, task: Miner, breaks_at: int = -1) -> None:
        super().__init__(32)
        self.task, self.breaks_at = task, breaks_at

    def batch(self, index: np.ndarray, generator: torch.Generator) -> dict[str, Tensor]:
        self.seen.append(index)
        if len(self.seen) == self.breaks_at:
            raise OSError("the disk is gone")
        return {"x": self.x[index] * (1 + self.task.found)}


@pytest.mark.parametrize("workers", [0, 3])
def test_a_task_mines_before_each_epoch_and_goes_on_with_what_it_found(workers: int, tmp_path: Path) -> None:
    config = replace(PLAIN, epochs=4, lr=0.01, workers=workers, checkpoint_seconds=0.0)
    whole, broken, again = Miner(), Miner(), Miner()
    with open_world() as world:
        train(whole, Mined(whole), config, world, tmp_path / "a", monitor="error", mode="min")
        with pytest.raises(OSError, match="disk"):
            train(broken, Mined(broken, 7), config, world, tmp_path / "b", monitor="error", mode="min")
        train(again, Mined(again), config, world, tmp_path / "b", monitor="error", mode="min")
    assert whole.told == [(0, False), (1, False), (2, False), (3, False)]
    assert broken.told == [(0, False), (1, False)]
    assert again.told == [(1, True), (2, False), (3, False)]
    assert again.weight.item() == whole.weight.item() != 0


def test_a_loss_that_is_no_number_stops_with_the_step(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not finite at step \d+"):
        fit(Line(poison_at=0.5), PLAIN, tmp_path)


def test_small_data_gets_its_steps(tmp_path: Path) -> None:
    _, numbers = fit(Line(), replace(PLAIN, epochs=2, min_steps=21), tmp_path, count=16)
    assert len(numbers.seen) == 21


def test_a_batch_that_cannot_be_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--loop\.batch-size 8 must be a multiple"):
        fit(Line(), replace(PLAIN, accumulate=3), tmp_path)
    with pytest.raises(UserError, match="no examples"):
        fit(Line(), PLAIN, tmp_path, count=0)


def test_the_learning_rate_rises_then_follows_a_cosine() -> None:
    config = LoopConfig(lr=1.0, warmup=0.1)
    rates = [_learning_rate(config, step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == pytest.approx(1.0)
    assert rates[55] == pytest.approx(0.5, abs=0.01)
    assert rates[99] < 0.001


class TwoRates(Line):
    """Two equal lines, one of which learns at a tenth of the rate."""

    def __init__(self) -> None:
        super().__init__()
        self.slow = torch.nn.Parameter(torch.zeros(1, 1))

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        errors = [((batch["x"] * w[0] - 3 * batch["x"]) ** 2).mean() for w in (self.weight, self.slow)]
        return {"square": errors[0] + errors[1]}

    def learning_rates(self) -> dict[str, float]:
        return {"slow": 0.1}


def test_a_task_may_let_some_parameters_learn_slower(tmp_path: Path) -> None:
    task = TwoRates()
    fit(task, replace(PLAIN, epochs=1, warmup=0.0, max_steps=2), tmp_path)
    # Adam's first steps are of the learning rate's own size, whatever the gradient.
    assert task.slow.item() / task.weight.item() == pytest.approx(0.1, rel=0.05)


def test_a_share_for_a_parameter_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    task = TwoRates()
    task.learning_rates = lambda: {"slwo": 0.1}  # type: ignore[method-assign]
    with pytest.raises(KeyError, match="slwo"):
        fit(task, PLAIN, tmp_path)


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    chosen: list[int] = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert _device(1) == torch.device("cuda", 1)
    assert chosen == [1]
    with pytest.raises(UserError, match="process 2 has no GPU: this machine has 2"):
        _device(2)
