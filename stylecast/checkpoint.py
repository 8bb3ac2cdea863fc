"""A training's tensors in safetensors files: its checkpoint, and what is left in the end; nothing is ever unpickled."""

import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from stylecast.errors import UserError

WEIGHTS = "model.safetensors"
"""Of a trained model in its run folder."""


def _owned(tensor: Tensor) -> Tensor:
    # safetensors refuses tensors that share memory (tied weights), so each gets its own copy.
    return tensor.detach().cpu().contiguous().clone()


def save_checkpoint(
    path: Path,
    weights: dict[str, Tensor],
    optimiser: torch.optim.Optimizer,
    best: dict[str, Tensor],
    told: str,
) -> None:
    """Write weights, optimiser state and best weights, then rename into place.

    Args:
        path: the file.
        weights: the model's state dict.
        optimiser: its tensors of state are kept by the number of their parameter.
        best: weights of the best validation so far, or nothing.
        told: a string kept in the file's metadata (the loop's counters as JSON).
    """
    tensors = {f"model.{k}": _owned(v) for k, v in weights.items()}
    tensors.update({f"best.{k}": _owned(v) for k, v in best.items()})
    for number, state in optimiser.state_dict()["state"].items():
        tensors.update({f"optimiser.{number}.{k}": _owned(torch.as_tensor(v)) for k, v in state.items()})
    beside = path.with_suffix(".tmp")
    save_file(tensors, beside, metadata={"told": told})
    with open(beside, "rb") as file:
        os.fsync(file.fileno())
    os.replace(beside, path)


def load_checkpoint(path: Path, optimiser: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Tensor], str]:
    """Read what `save_checkpoint` wrote; the optimiser's state is put back into it.

    Returns:
        The weights, the best weights (empty when there were none), and the string.

    Raises:
        UserError: the file is damaged.
    """
    groups: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "optimiser": {}}
    try:
        with safe_open(path, framework="pt") as file:
            told = file.metadata()["told"]
            for key in file.keys():  # noqa: SIM118  (safe_open is no dict)
                group, name = key.split(".", 1)
                groups[group][name] = file.get_tensor(key)
    except Exception as error:  # safetensors raises its own untyped errors for damaged files
        raise UserError(f"{path} is damaged ({error}); delete it, or start over with --force") from error
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in groups["optimiser"].items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = tensor
    content = optimiser.state_dict()
    content["state"] = state
    optimiser.load_state_dict(content)
    return groups["model"], groups["best"], told


def save_parts(module: nn.Module, path: Path) -> None:
    """Write the weights of a module and its parts (its attributes)."""
    save_file({name: _owned(weight) for name, weight in module.state_dict().items()}, path)


def load_parts(path: Path) -> dict[str, dict[str, Tensor]]:
    """The weights of each part of a module that was saved: part → name → tensor, on the CPU."""
    parts: dict[str, dict[str, Tensor]] = {}
    for key, value in load_file(path).items():
        part, _, name = key.partition(".")
        parts.setdefault(part, {})[name] = value
    return parts
