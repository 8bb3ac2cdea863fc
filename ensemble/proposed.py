"""New styles that are proposed, as the leaderboard shows them at an origin, apart from the styles."""

import pandas as pd

from data.windows import DAY

COLUMNS = ["origin", "proposal", "first_proposal", "name", "keywords", "first_seen", "posts", "new_posts", "share",
           "growth", "authors", "nearest", "nearest_name", "pictures", "post_ids"]  # fmt: skip


def proposed_at(proposals: pd.DataFrame, origin: pd.Timestamp, pictures: bool) -> pd.DataFrame:
    """The groups that the last whole month's scan found by an origin and nobody accepted, those with most posts first.

    Args:
        proposals: as `recall.accept.read_proposals` gives it; scans that end after the origin are not looked at.
        origin: the last day to look at.
        pictures: whether its items are pictures, or posts.

    Returns:
        origin; proposal, its id; first_proposal, the id under which the group was first found; name, keywords;
        first_seen, the day of its earliest post in any scan so far; posts within the months that a scan looks at;
        new_posts in its last month; share of that month's posts, a fraction; growth of this against the month before,
        percent, empty for a new one; authors; nearest style and its name; pictures and post_ids, those nearest to its
        middle, joined by `;`.
    """
    month = (origin + DAY).to_period("M") - 1
    done = set(proposals.loc[proposals["accepted"] != "", "first"])
    found = proposals[(proposals["month"] == str(month)) & ~proposals["first"].isin(done)]
    found = found.sort_values(["posts", "proposal"], ascending=[False, True], ignore_index=True)
    items = found["items"].str.split(";")
    seen = proposals[proposals["month"] <= str(month)].groupby("first")["since"].min()
    table = found.assign(
        origin=origin, first_proposal=found["first"],
        first_seen=pd.to_datetime(found["first"].map(seen)).dt.normalize(),
        new_posts=found["new"],
        growth=100 * found["growth"].astype(float), pictures=found["items"] if pictures else "",
        post_ids=items.map(lambda ids: ";".join(_post(name, pictures) for name in ids)),
    )  # fmt: skip
    numbers = {"posts": "int64", "new_posts": "int64", "authors": "int64", "share": "float64"}
    texts = ["proposal", "first_proposal", "name", "keywords", "nearest", "nearest_name", "pictures", "post_ids"]
    return table[COLUMNS].astype(numbers | dict.fromkeys(texts, str))


def _post(item: str, picture: bool) -> str:
    """The post of an item: a picture's id is its post's, a slash and a number."""
    return item.rpartition("/")[0] if picture else item
