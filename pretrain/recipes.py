"""Complete configs of `pretrain`; each says how long it takes on one core, and what it reaches."""

from dataclasses import replace

from pretrain.encoder import EncoderConfig
from pretrain.train import SCRATCH, PretrainConfig
from stylecast.loop import LoopConfig


def demo() -> PretrainConfig:
    """The sample world, 30,000 pictures of 96 px: about 75 s in two processes, tag mAP 0.16."""
    return PretrainConfig(loop=replace(SCRATCH, epochs=2, min_steps=425))


def small() -> PretrainConfig:
    """The default, for small sets too: the 3,530 emoji take about 150 s and reach tag mAP 0.74."""
    return PretrainConfig()


def tiny() -> PretrainConfig:
    """For tests: seconds, and no more than a hint of learning."""
    return PretrainConfig(
        encoder=EncoderConfig(channels=(16, 32), heads=3, dim=32),
        loop=LoopConfig(epochs=2, batch_size=32, lr=3e-3),
    )


RECIPES = {"demo": demo, "small": small, "tiny": tiny}
