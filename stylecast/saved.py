"""Models that people save and fetch by hand: in run folders, as stages write them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stylecast.errors import UserError
from stylecast.runs import MANIFEST, SAVED, Run, command_of, load_manifest, open_run, read_manifest


def load_any(folder: Path, *stages: str) -> dict[str, Any]:
    """Check that a folder is a whole, undamaged run of one of several stages, and read its manifest.

    Raises:
        UserError: the folder is missing, unfinished, damaged, or was written by another stage.
    """
    if (folder / MANIFEST).is_file():
        stage = read_manifest(folder)["stage"]
        if stage in stages:
            return load_manifest(folder, stage)
        state = f"a run of `{stage}`"
    else:
        state = f"no whole run (no {MANIFEST})" if folder.is_dir() else "no such folder"
    made = " or ".join(dict.fromkeys(f"`stylecast {command_of(s)}`" for s in stages if not s.startswith(SAVED)))
    runs = [path.parent for path in sorted(folder.glob(f"*/{MANIFEST}"))]  # the folder of a whole `stylecast run`
    hint = "".join(f", such as {run}" for run in [r for r in runs if read_manifest(r)["stage"] in stages][-1:])
    raise UserError(f"{folder}: {state}; name a folder that `save_pretrained` wrote, or a run folder of {made}{hint}")


@contextmanager
def save_model(folder: Path, stage: str, config: Any) -> Iterator[Run]:  # noqa: ANN401  (any dataclass)
    """Save a model by hand: into a run folder, which appears whole or not at all, and may be saved anew.

    Args:
        folder: where it will lie; what is there must be such a folder.
        stage: `SAVED` and what kind of model it is.
        config: of the model, stored as `config.json`.

    Yields:
        The run to write into.

    Raises:
        UserError: something else lies there.
    """
    with open_run(folder, stage, config, {}, force=True) as run:
        assert run is not None  # force
        yield run
