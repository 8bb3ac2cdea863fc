"""A plan of the sample world and its posts, drawn once a session."""

import pytest

from data.sample_posts import Plan, Post, draw_post, make_plan


@pytest.fixture(scope="session")
def plan() -> Plan:
    return make_plan(posts=20_000, styles=24, days=1095, start="2021-01-01", pictures=1.5, seed=1)


@pytest.fixture(scope="session")
def posts(plan: Plan) -> list[Post]:
    return [draw_post(plan, number)[0] for number in range(20_000)]
