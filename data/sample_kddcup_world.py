"""What the products of the KDD Cup sample are, and how people ask for them.

Shapes: N products, A attributes.
"""

import numpy as np

ATTRIBUTES: dict[str, tuple[tuple[str, ...], ...]] = {
    # Each value with the words that people use for it.
    "kind": (("dress", "gown"), ("shirt", "blouse"), ("skirt",), ("coat", "overcoat"), ("sneakers", "trainers"),
             ("sandals",), ("boots",), ("backpack", "rucksack"), ("handbag", "purse"), ("earrings",), ("necklace",),
             ("watch",), ("curtain", "drapes"), ("lamp",), ("sofa", "couch"), ("vase",)),
    "colour": (("red", "crimson"), ("blue", "navy"), ("green",), ("black",), ("white", "ivory"), ("pink",),
               ("yellow",), ("grey", "gray")),
    "pattern": (("plain", "solid"), ("striped", "stripes"), ("floral", "flower"), ("dotted", "polka"),
                ("checked", "plaid")),
    "material": (("cotton",), ("leather",), ("linen",), ("silk", "satin"), ("denim",), ("wooden", "wood")),
    "style": (("vintage", "retro"), ("casual",), ("formal", "elegant"), ("sporty",), ("boho", "bohemian")),
}  # fmt: skip
SIZES = tuple(len(values) for values in ATTRIBUTES.values())
ASKED = np.array([0.9, 0.7, 0.4, 0.4, 0.3])  # how often a query names each attribute
SMALL_TALK = ("women", "new", "2020", '12"', "men's", "high quality", "fashion")


def draw_products(count: int, rng: np.random.Generator) -> np.ndarray:
    """Attributes of products at random; int64 N×A."""
    return np.column_stack([rng.integers(0, size, count) for size in SIZES])


def draw_query(product_A: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a person who wants this product asks for: its values, -1 for what is not asked; two at least."""
    asked_A = rng.random(len(SIZES)) < ASKED
    asked_A[rng.choice(len(SIZES), max(0, 2 - int(asked_A.sum())), replace=False)] = True
    if asked_A.sum() < 2:
        asked_A[:2] = True
    return np.where(asked_A, product_A, -1)


def satisfies(products_NA: np.ndarray, query_A: np.ndarray) -> np.ndarray:
    """Which products have all that a query asks for; bool N."""
    return ((products_NA == query_A) | (query_A < 0)).all(axis=1)


def phrase(query_A: np.ndarray, rng: np.random.Generator) -> str:
    """A query in English: the kind last, sometimes with words that mean nothing here."""
    said = [
        str(rng.choice(values[value])) for values, value in zip(ATTRIBUTES.values(), query_A, strict=True) if value >= 0
    ]
    if query_A[0] >= 0:
        said = [*said[1:], said[0]]
    if rng.random() < 0.3:
        said.insert(0, str(rng.choice(SMALL_TALK)))
    return " ".join(said)
