"""Complete configs of `recall`; each says how long it takes on one core, and what it reaches."""

from dataclasses import replace

from recall.train import PAIRS, RecallConfig
from stylecast.loop import LoopConfig


def demo() -> RecallConfig:
    """The sample world, 30,000 pictures of 96 px: about 110 s in two processes with embedding, NDCG@5 0.69."""
    return RecallConfig(loop=replace(PAIRS, epochs=1, min_steps=500))


def small() -> RecallConfig:
    """The default: more passes."""
    return RecallConfig()


def tiny() -> RecallConfig:
    """For tests: seconds, and no more than a hint of learning."""
    return RecallConfig(
        loop=LoopConfig(epochs=2, batch_size=32, lr=1e-3), valid_queries=200, valid_pictures=400, pool=10
    )


RECIPES = {"demo": demo, "small": small, "tiny": tiny}
