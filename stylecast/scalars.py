"""What a training tells while it runs: scalars for TensorBoard, and for MLflow where the run folder is recorded."""

from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from stylecast.tracking import current


class Scalars:
    """The scalars of one training, for TensorBoard and the MLflow run of its run folder, if there is one.

    Args:
        folder: of the training: the run folder, or one in it; TensorBoard's files go to `tensorboard` in it.
    """

    def __init__(self, folder: Path) -> None:
        self.board = SummaryWriter(str(folder / "tensorboard"))
        self.run, self.prefix = current(), ""
        # A stage may train several networks: `member-0/loss/total`.
        if self.run is not None and folder != self.run.folder and folder.is_relative_to(self.run.folder):
            self.prefix = f"{folder.relative_to(self.run.folder).as_posix()}/"

    def add(self, name: str, value: float, step: int) -> None:
        """Take down a scalar."""
        self.board.add_scalar(name, value, step)
        if self.run is not None:
            self.run.add(f"{self.prefix}{name}", value, step)

    def flush(self) -> None:
        """What was told is where it belongs: before each checkpoint, so that a training that goes on leaves no gap."""
        self.board.flush()
        if self.run is not None:
            self.run.flush()

    def close(self) -> None:
        """The end of the training."""
        self.flush()
        self.board.close()
