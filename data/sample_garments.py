"""The garments of the sample world as polygons (units and pieces: see sample_body).

A `Garment` is drawn from `under` (wearer, other clothes) over `main` (what carries colour and pattern) to `over`
(collars, belts, folds). Each function takes a width and a length relative to the regular cut.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from data.sample_body import Part, Points, body, flip, lines, oval, pair, part, person, sleeve, trousers
from data.sample_styles import CUTS

Layers = tuple[list[Part], list[Part], list[Part]]


@dataclass(frozen=True)
class Garment:
    """A silhouette, ready to be posed."""

    under: tuple[Part, ...]
    """The wearer, and clothes worn with it."""
    main: tuple[Part, ...]
    """What takes colour and pattern."""
    over: tuple[Part, ...]
    """What lies on top."""
    box: tuple[float, float, float, float]
    """Extent of the main parts: left, top, right, bottom, canvas units."""


def _dress(w: float, h: float) -> Layers:
    hem = 44 + 34 * h
    main = [part("main", body([(5, 25.5), (11, 26), (9.4, 33), (9, 37), (6.8 * w, 45), (20 * w, hem)]))]
    main += pair("main", [(58, 25.8), (62.5, 27.5), (66.8, 36), (60, 38.5), (58.6, 34)])
    over = [part("skin", [(46.4, 25), (53.6, 25), (50, 31)])]
    over += [part("second", body([(7.2 * w, 44), (7.4 * w, 46.6)]))]
    over += lines([[(50 + dx * 0.3, 47), (50 + dx * w, hem - 1)] for dx in (-11, -4, 4, 11)])
    return person(), main, over


def _qipao(w: float, h: float) -> Layers:
    hem = 52 + 36 * h
    profile = [(3.4, 22.5), (11, 26.2), (10.4, 34), (8 * w, 46), (12.6 * w, 57), (10.5 * w, hem)]
    main = [part("main", body(profile))]
    main += pair("main", [(58, 25.6), (62, 27.4), (63.8, 33), (59.6, 34.5)])
    over = [part("accent", body([(3.2, 20.6), (3.6, 24)]))]
    over += lines([[(50, 24), (53, 27.5), (59, 31.5)]], "accent", 1.4)
    over += [part("accent", oval(53.4, 28, 1.3, 1.3)), part("accent", oval(57, 30.6, 1.3, 1.3))]
    over += [part("skin", [(50 + 11.6 * w, 66), (50 + 10.8 * w, hem + 1), (50 + 6 * w, hem + 1)])]
    over += lines([[(50 + 11.6 * w, 66), (50 + 6 * w, hem)], [(50 - 10.5 * w, hem), (50 + 6 * w, hem)]], "accent", 1.4)
    return person(), main, over


def _hanfu(w: float, h: float) -> Layers:
    hem = 40 + 54 * h
    wide: Points = [(56, 26), (61, 27), (80 * w**0.3, 47), (79, 64), (68, 61), (62, 42), (57, 38)]
    skirt = part("main", body([(9, 37), (11, 44), (21 * w, hem)]))
    main = [skirt, *pair("main", wide), part("main", body([(5, 25.5), (11.5, 27), (10, 39)]))]
    over = [part("second", [(45, 24.6), (55, 24.6), (50.6, 37), (49, 37)])]
    over += lines([[(45, 24.5), (54, 38)], [(55, 24.5), (46, 38)]], "accent", 2.2)
    over += [part("accent", body([(9.6, 37.6), (10, 42)]))]
    over += [part("accent", [(49, 42), (51, 42), (53, 64), (49.4, 64)])]
    over += pair("second", [(79.6, 48), (82.4, 49), (81, 65.4), (68, 62.4), (68.4, 60), (78, 62)])
    over += lines([[(50 + dx * 0.5, 44), (50 + dx * w, hem - 1)] for dx in (-14, -7, 7, 14)])
    return person(arms=False), main, over


def _mamian(w: float, h: float) -> Layers:
    hem = 44 + 47 * min(h, 1.05)
    under = person()
    under += [part("other", body([(4, 25), (11.5, 26.4), (9.6, 36), (9, 47)]), person=True)]
    under += pair("other", sleeve(11, 47, 6), person=True)
    main = [part("main", body([(8.4, 44), (12 * w, 50), (25 * w, hem)]))]
    over = lines([[(50 + a, 47), (50 + b * w, hem)] for a, b in ((6, 14), (7, 18), (8, 22))])
    over += lines([[(50 - a, 47), (50 - b * w, hem)] for a, b in ((6, 14), (7, 18), (8, 22))])
    over += [part("second", body([(8.6, 43.4), (9, 47)]))]
    over += [part("accent", body([(23.4 * w, hem - 5), (24.8 * w, hem - 1)]))]
    over += [part("accent", body([(21 * w, hem - 12), (21.8 * w, hem - 10)]))]
    over += lines([[(43, 47), (41, hem)], [(57, 47), (59, hem)]], "accent", 1.3)
    return under, main, over


def _coat(w: float, h: float) -> Layers:
    hem = 26 + 55 * h
    main = [part("main", body([(6, 24.8), (14 * w, 27), (13 * w, 44), (16 * w, hem)]))]
    main += pair("main", sleeve(14 * w, 56, 8))
    over = [part("other", [(46.4, 24.4), (53.6, 24.4), (52.6, 46), (51.6, hem), (48.4, hem), (47.4, 46)])]
    over += pair("main2", [(53.2, 23.6), (60, 28), (57.6, 34), (52, 45)])
    over += lines([[(53.4, 24), (52.4, 46), (51.8, hem)], [(46.6, 24), (47.6, 46), (48.2, hem)]], "dark", 0.9)
    over += lines([[(57, 57), (63, 56)], [(43, 57), (37, 56)]], "dark", 1.1)
    return person(arms=False) + trousers(), main, over


def _trench(w: float, h: float) -> Layers:
    hem = 48 + 31 * h
    main = [part("main", body([(6, 24.6), (13.5 * w, 27), (9.4 * w, 48), (18.5 * w, hem)]))]
    main += pair("main", sleeve(13.5 * w, 55, 7.5))
    over = [part("second", [(46.6, 24.4), (53.4, 24.4), (50, 33)])]
    over += pair("main2", [(52, 23.6), (60.5, 26), (58, 33), (50.4, 34)])
    over += [part("dark", body([(9.8 * w, 46.6), (10 * w, 49.6)])), part("accent", body([(2, 46), (2, 50.2)]))]
    over += lines([[(53.4, 34), (54, hem - 1)], [(50, 50), (50.6, hem)]], "dark", 0.8)
    for y in (38, 43, 55):
        over += pair("dark", oval(54.6, y, 1, 1))
    over += pair("dark", [(66.6, 50), (71.4, 49), (71.8, 51), (67, 52)])
    return person(arms=False) + trousers(), main, over


def _blazer(w: float, h: float) -> Layers:
    hem = 27 + 31 * h
    main = [part("main", body([(6, 25), (14.4 * w, 26.4), (12 * w, 42), (13.6 * w, hem)]))]
    main += pair("main", sleeve(14 * w, 54, 7))
    over = [part("other", [(45.8, 24.6), (54.2, 24.6), (50, 43.5)])]
    over += lines([[(50, 28), (50, 42)]], "dark", 0.6)
    over += pair("main2", [(53.8, 24), (58.4, 29), (56, 31), (58, 33), (50.2, 44)])
    over += lines([[(50, 44), (51.4, hem)], [(56, 49), (61, 48.6)], [(44, 49), (39, 48.6)]], "dark", 1.0)
    over += [part("dark", oval(50.8, 46, 1.1, 1.1))]
    return person(arms=False) + trousers(), main, over


def _shirt(w: float, h: float) -> Layers:
    hem = 26 + 29 * h
    main = [part("main", body([(5, 25), (12.4 * w, 27), (11 * w, 40), (12 * w, hem - 2), (7 * w, hem + 1)]))]
    main += pair("main", sleeve(12 * w, 53, 6.5))
    over = pair("light", [(50, 28.5), (51.6, 23.2), (56.6, 24.6), (55, 29.6)])
    over += lines([[(50, 28), (50, hem)]], "dark", 0.8)
    over += [part("dark", oval(51.4, y, 0.7, 0.7)) for y in (33, 38.5, 44, 49.5)]
    over += pair("light", [(64.4, 51), (70, 50.2), (70.6, 54), (65, 54.6)])
    over += lines([[(54.6, 35), (59, 35), (58.6, 40), (54.8, 40), (54.6, 35)]], "dark", 0.6)
    return person(arms=False) + trousers(), main, over


def _knitwear(w: float, h: float) -> Layers:
    hem = 27 + 27 * h
    main = [part("main", body([(6, 24.4), (14 * w, 27.6), (15.4 * w, 44), (14 * w, hem)]))]
    main += pair("main", [(61, 26.6), (66, 30), (74, 50), (70, 55), (65, 54), (62.6, 40)])
    over = [part("second", body([(6.4, 23), (7, 27)])), part("skin", body([(4, 22.6), (3.4, 24.6)]), person=True)]
    over += [part("second", body([(13.6 * w, hem - 1), (12.6 * w, hem + 3.4)]))]
    over += pair("second", [(65.4, 52.4), (72.4, 50.6), (71.6, 56), (66.6, 56.6)])
    over += lines([[(50 + dx * w, hem - 1), (50 + dx * w, hem + 3)] for dx in (-9, -6, -3, 0, 3, 6, 9)], "dark", 0.5)
    over += lines([[(50 + dx * w, 30), (50 + dx * w, hem - 2)] for dx in (-8, -4, 4, 8)], "dark", 0.45)
    return person(arms=False) + trousers(), main, over


def _jeans(w: float, h: float) -> Layers:
    flare = (w - 0.86) * 16  # slim 0, loose 6.7
    hem = 48 + 46 * min(h, 1.02)
    under = person()
    under += [part("other", body([(5, 25.4), (12, 27), (9.6, 37), (9, 46)]), person=True)]
    under += pair("other", [(58.6, 26.4), (63, 28.4), (65.6, 37), (60.6, 38.6)], person=True)
    leg: Points = [
        (50, 44), (58.6, 44), (61.6 + flare * 0.3, 54), (60 + flare * 1.3, hem), (52.4 - flare * 0.1, hem), (50, 60)
    ]  # fmt: skip
    main = pair("main", leg)
    over = [part("dark", body([(8.6, 43.6), (8.9, 46)])), part("accent", oval(50, 44.8, 0.9, 0.9))]
    over += lines([[(50, 46), (50, 60)], [(53, 46.5), (55, 50), (59.6, 50.6)], [(47, 46.5), (45, 50), (40.4, 50.6)]])
    seams: list[Points] = [[(61 + flare * 0.3, 55), (59.4 + flare * 1.3, hem)], [(50, 58), (53 - flare * 0.1, hem)]]
    over += lines([*seams, *(flip(seam) for seam in seams)], "accent", 0.6)
    return under, main, over


def _pleated(w: float, h: float) -> Layers:
    hem = 45 + 24 * h
    under = person()
    under += [part("other", body([(4.6, 25), (12, 27), (9.6, 37), (9, 47)]), person=True)]
    under += pair("other", sleeve(11.6, 50, 5.5), person=True)
    main = [part("main", body([(8.4, 44.6), (11 * w, 50), (20.5 * w, hem)]))]
    over = lines([[(50 + a * 0.42, 48), (50 + a * w, hem)] for a in (-16.5, -12, -7.5, -2.5, 2.5, 7.5, 12, 16.5)])
    over += [part("second", body([(8.4, 44), (8.8, 47.4)]))]
    over += [part("second", [(49, 27), (51, 27), (52, 39), (50, 41.5), (48, 39)], person=True)]
    return under, main, over


def _puffer(w: float, h: float) -> Layers:
    hem = 26 + 36 * h
    torso = body([(7, 20.6), (8, 25), (16 * w, 28), (17.4 * w, 36), (16.2 * w, 37), (17.6 * w, 46), (15.4 * w, hem)])
    main = [part("main", torso)]
    main += pair("main", [(62, 27), (68, 30), (75.4, 40), (74, 41.4), (77, 50), (73, 56), (66, 54), (63, 40)])
    seams = [y for y in (31, 37, 43, 49) if y < hem - 2]
    over = lines([[(50 - 15.6 * w, y), (50, y + 1.4), (50 + 15.6 * w, y)] for y in seams], "dark", 1.1)
    over += pair("dark", [(64, 38), (74, 40)], 1.0) + pair("dark", [(65, 47), (76, 48.6)], 1.0)
    over += lines([[(50, 22), (50, hem)]], "accent", 1.0)
    over += lines([[(43, 22), (47, 24.6), (53, 24.6), (57, 22)]], "dark", 0.9)
    return person(arms=False) + trousers(), main, over


def _hoodie(w: float, h: float) -> Layers:
    hem = 27 + 28 * h
    under = person(arms=False) + trousers()
    main = [part("main", body([(9, 22), (12 * w, 26.8), (13 * w, 44), (12.4 * w, hem)]))]
    main += pair("main", sleeve(12.4 * w, 53, 8))
    over = [part("dark", body([(7.4, 20.6), (9.4, 23.6), (5, 29.6), (0.8, 31)]))]
    over += [part("skin", body([(3, 20.4), (3.6, 24), (0.5, 26)]), person=True)]
    over += lines([[(47.4, 29), (46.6, 39)], [(52.6, 29), (53.4, 39)]], "light", 1.2)
    over += lines([[(44, 43.6), (56, 43.6), (59.4, 51.6), (40.6, 51.6), (44, 43.6)]], "dark", 1.0)
    over += [part("second", body([(12.2 * w, hem - 1), (11.4 * w, hem + 2)]))]
    return under, main, over


def _slip(w: float, h: float) -> Layers:
    hem = 48 + 38 * h
    main = [part("main", body([(7.8, 31.6), (9.2, 36), (7.6 * w, 46), (11.4 * w, 57), (13.6 * w, hem)]))]
    over = [part("skin", [(45.6, 31), (54.4, 31), (50, 35.4)])]
    over += lines([[(56.6, 32.4), (55, 26)], [(43.4, 32.4), (45, 26)]], "accent", 1.2)
    over += lines([[(45, 40), (50, 43), (55, 40)]])
    over += lines([[(50 + 3 * w, 50), (50 + 7 * w, hem)], [(50 - 5 * w, 54), (50 - 4 * w, hem)]])
    return person(), main, over


SHAPES: dict[str, Callable[[float, float], Layers]] = {
    "dress": _dress,
    "qipao": _qipao,
    "hanfu": _hanfu,
    "mamian": _mamian,
    "coat": _coat,
    "trench": _trench,
    "blazer": _blazer,
    "shirt": _shirt,
    "knitwear": _knitwear,
    "jeans": _jeans,
    "pleated": _pleated,
    "puffer": _puffer,
    "hoodie": _hoodie,
    "slip": _slip,
}


def build_garment(garment: str, cut: str) -> Garment:
    """The silhouette of a garment (a key of `SHAPES`) in a cut (a key of `CUTS`)."""
    under, main, over = SHAPES[garment](*CUTS[cut])
    points = np.concatenate([piece.points_K2 for piece in main])
    left, top = points.min(axis=0)
    right, bottom = points.max(axis=0)
    return Garment(tuple(under), tuple(main), tuple(over), (float(left), float(top), float(right), float(bottom)))
