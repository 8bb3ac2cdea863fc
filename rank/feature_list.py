"""Command `features`: what LightGBM learns from, a line a feature, from the list that the features are declared in.

stylecast features                                      likes, collects and comments as further numbers
stylecast features --page > docs/features.md            the page of the documentation
"""

from dataclasses import dataclass

from data.panel import ENGAGEMENT
from rank.feature import KINDS, NUMBER, Feature
from rank.features import declared_features

HEAD = """# What LightGBM learns from

Made by `stylecast features --page` from the list in the code (`rank/features.py`). Every feature looks at nothing after
the origin, the day that is forecast from. All are free of scale: logs of ratios against the share over the reference
(the days up to the origin, as many as the target has), ranks, and counts only as sampling noise. One that the history
does not carry, such as last year's growth in a feed of eleven months, is left out of the models, which is told.
A panel's further numbers (here: likes) have theirs each, from sums of logs (`likes_log`) where it has some."""


@dataclass(frozen=True, kw_only=True)
class FeaturesConfig:
    """List the features that LightGBM learns from: name and meaning."""

    numbers: tuple[str, ...] = ENGAGEMENT
    """Further numbers of the panel."""
    page: bool = False
    """Tell it as a page of Markdown, for one number."""


def _heading(kind: str) -> str:
    return f"{kind.removeprefix(NUMBER)} per post" if kind.startswith(NUMBER) else KINDS[kind]


def _by_kind(features: tuple[Feature, ...]) -> dict[str, list[Feature]]:
    return {kind: [f for f in features if f.kind == kind] for kind in dict.fromkeys(f.kind for f in features)}


def page() -> str:
    """The page of the documentation."""
    parts = [HEAD]
    for kind, features in _by_kind(declared_features(("likes",))).items():
        heading = _heading(kind)
        rows = [f"| `{feature.name}` | {feature.description} |" for feature in features]
        parts.append(
            "\n".join([f"## {heading[0].upper()}{heading[1:]}", "", "| feature | meaning |", "|---|---|", *rows])
        )
    return "\n\n".join(parts)


def main(config: FeaturesConfig) -> str:
    """The list, as text."""
    if config.page:
        return page()
    found = _by_kind(declared_features(config.numbers))
    wide = max(len(feature.name) for features in found.values() for feature in features)
    lines = []
    for kind, features in found.items():
        lines += [
            "",
            f"{_heading(kind)}:",
            *(f"  {feature.name:<{wide}}  {feature.description}" for feature in features),
        ]
    return "\n".join(lines[1:])
