"""What a style is called, and which pictures stand for it.

Shapes: K styles, V words.
"""

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer

from data.posts import Posts

KEYWORDS = 12
NAME_WORDS = 3


def name_styles(fitted: pd.DataFrame, posts: pd.DataFrame) -> pd.DataFrame:
    """Keywords by class-based TF-IDF: words that a style uses and the others do not (Grootendorst, 2022).

    A word counts once a post, so that a long text does not outweigh ten short ones.

    Args:
        fitted: assignments before the cut-off: `id, post_id, style`.
        posts: `post_id, words`.

    Returns:
        One row a style: style, name (`旗袍 · 国风 · 复古`), keywords (space separated), size (items).
    """
    sizes = fitted.groupby("style").size()
    pairs = fitted[["post_id", "style"]].drop_duplicates().join(posts.set_index("post_id")["words"], on="post_id")
    vectorizer = CountVectorizer(token_pattern=r"\S+", lowercase=False, binary=True)
    if not pairs["words"].str.strip().any():
        return pd.DataFrame({"style": sizes.index, "name": sizes.index, "keywords": "", "size": sizes.to_numpy()})
    presence_NV = vectorizer.fit_transform(pairs["words"])
    row_N = pd.Categorical(pairs["style"], categories=sizes.index).codes
    group_KN = sparse.csr_array((np.ones(len(pairs)), (row_N, np.arange(len(pairs)))), shape=(len(sizes), len(pairs)))
    count_KV = (group_KN @ presence_NV).toarray()
    share_KV = count_KV / np.maximum(group_KN.sum(axis=1).reshape(-1, 1), 1)
    overall_V = share_KV.mean(axis=0)
    # A share in the style times how many times the average style's it is; three posts are too few to name by.
    score_KV = np.where(count_KV >= 3, share_KV * np.log(np.maximum(share_KV / overall_V, 1.0)), 0.0)
    words = vectorizer.get_feature_names_out()
    score_KV *= [0.5 if len(word) == 1 else 1.0 for word in words]  # one character rarely tells what is meant
    keywords = []
    for score_V in score_KV:
        best = sorted(np.flatnonzero(score_V), key=lambda v: (-score_V[v], words[v]))[:KEYWORDS]
        keywords.append([str(words[v]) for v in best])
    names = [" · ".join(k[:NAME_WORDS]) or style for k, style in zip(keywords, sizes.index, strict=True)]
    return pd.DataFrame(
        {"style": sizes.index, "name": names, "keywords": [" ".join(k) for k in keywords], "size": sizes.to_numpy()}
    )


def medoids(fitted: pd.DataFrame, posts: Posts, count: int = 5) -> dict[str, list[str]]:
    """The pictures nearest to a style's centroid, at most one of a post and of a picture family.

    Returns:
        style → picture ids, nearest first.
    """
    rows = fitted.join(posts.pictures.set_index("picture_id")["family"], on="id")
    rows = rows.sort_values(["distance", "id"])
    rows = rows.drop_duplicates(["style", "post_id"]).drop_duplicates(["style", "family"])
    return {str(style): group["id"].head(count).tolist() for style, group in rows.groupby("style")}
