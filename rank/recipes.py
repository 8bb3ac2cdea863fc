"""Complete configs of `rank`."""

from collections.abc import Callable

from rank import fusion_config
from rank.train import RankConfig


def demo() -> RankConfig:
    """The default: 24 styles over 3 years in half a minute on 2 cores."""
    return RankConfig()


def sixty_days() -> RankConfig:
    """60 days of history, day by day: several times the default's time."""
    return RankConfig(fusion=fusion_config.sixty_days())


def five_days() -> RankConfig:
    """5 days of history, days 10 to 15 ahead."""
    return RankConfig(target="days:10-15", fusion=fusion_config.five_days())


def tiny() -> RankConfig:
    """For tests: seconds, not quality."""
    return RankConfig(fusion=fusion_config.tiny())


RECIPES: dict[str, Callable[[], RankConfig]] = {"demo": demo, "60-day": sixty_days, "5-day": five_days, "tiny": tiny}
