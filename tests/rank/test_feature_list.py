from pathlib import Path

from rank.feature import KINDS, NUMBER
from rank.feature_list import FeaturesConfig, main, page
from rank.features import declared_features

PAGE = Path(__file__).parents[2] / "docs" / "features.md"


def test_the_page_of_features_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page() + "\n", "run: stylecast features --page > docs/features.md"


def test_every_feature_is_told_once_with_its_meaning() -> None:
    told = [
        line.split(maxsplit=1) for line in main(FeaturesConfig(numbers=("saves",))).splitlines() if line[:2] == "  "
    ]
    assert dict(told) == {feature.name: feature.description for feature in declared_features(("saves",))}
    assert len(told) == len(dict(told))


def test_every_feature_is_of_a_kind_that_has_words() -> None:
    kinds = {feature.kind for feature in declared_features(("saves",))}
    assert kinds == {*KINDS, f"{NUMBER}saves"}
