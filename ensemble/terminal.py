"""The top of the leaderboard as plain text."""

import pandas as pd

from ensemble.figures import age, count, decimals_of, fit, outlook, percent, signed, width


def terminal_table(board: pd.DataFrame, n: int = 10, classes: str = "change") -> str:
    """The first rows of a board as a table for a terminal of 100 columns; Chinese letters count as two columns.

    Args:
        board: as `build_leaderboard` gives it.
        n: how many rows.
        classes: the rule that the classes of the outlook were cut by.

    Returns:
        Lines without a line feed at the end.
    """
    decimals = decimals_of(board["share_now"])
    heads = ["#", "style", "now", "predicted", "interval", "growth", "outlook", "posts 28d", "age", "words"]
    left = {1, 6, 9}
    lines = [heads]
    for row in board.head(n).to_dict("records"):
        band = f"{percent(row['lower'], decimals, '')}–{percent(row['upper'], decimals)}"
        words = str(row["keywords"])
        lines.append([
            str(row["rank"]), str(row["name"]), percent(row["share_now"], decimals),
            percent(row["share_predicted"], decimals), "" if pd.isna(row["lower"]) or pd.isna(row["upper"]) else band,
            signed(row["growth"]), outlook(row["p_down"], row["p_flat"], row["p_up"], classes),
            count(row["posts_28d"]), age(row["age_days"]), "" if words == row["name"] else words,
        ])  # fmt: skip
    most = {1: 24, 9: 30}
    columns = [min(max(width(line[k]) for line in lines), most.get(k, 99)) for k in range(len(heads))]
    text = []
    for line in lines:
        cells = [
            fit(cell, columns[k]) if k in left else " " * (columns[k] - width(cell)) + cell
            for k, cell in enumerate(line)
        ]
        text.append("  ".join(cells).rstrip())
    return "\n".join(text)
