"""The report's pictures as inline SVG, coloured by the page's style sheet for light and dark.

A run is told by its mark's shape as well as by its colour: `SHAPES`, by the run's place.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

from ..runs import Measured
from .content import clipped, escape, measured

SHAPES = (
    "M-5.5 0a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0-11 0z",  # a circle
    "M-4.8-4.8h9.6v9.6h-9.6z",  # a square
    "M0-6.4 6.2 4.8H-6.2z",  # a triangle
    "M0-6.8 6.8 0 0 6.8-6.8 0z",  # a diamond
    "M0 6.4 6.2-4.8H-6.2z",  # a triangle on its tip
    "M-2-6h4v4h4v4h-4v4h-4v-4h-4v-4h4z",  # a plus
)
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
QUADRANTS = ("form without content", "content and form", "neither", "content without form")

# Pixels of the two-by-two, which is as wide as a phone's page; the frame has room for a mark at 0 and at 1.
WIDTH, HEIGHT = 480, 430
LEFT, TOP, RIGHT, BOTTOM = 46, 32, 470, 386
PAD = 14
LETTER, LINE = 13, 17  # of a label
LABEL = 18  # characters
MARK = 8  # from a mark's centre to its edge, and some air
_STEP = 7
# Beside a mark first: its cross runs up, down, left and right.
_DIRECTIONS = ((1, -1), (1, 1), (-1, -1), (-1, 1), (0, -1), (0, 1), (1, 0), (-1, 0))


class Point(NamedTuple):
    """A run in the two-by-two; `place` is its place among the runs."""

    name: str
    place: int
    x: Measured
    y: Measured


class Box(NamedTuple):
    """A rectangle, in pixels from the top left."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "Box") -> bool:
        """Whether they have a part in common; an edge is none."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom


def two_by_two(points: Sequence[Point], across: str, up: str) -> str:
    """Runs by two metrics from 0 to 1, each with both intervals as a cross, and its name where it hides no other."""
    labels = place_labels(points)
    said = "; ".join(f"{p.name}: {across} {measured(p.x)}, {up} {measured(p.y)}" for p in points)
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="two-title two-desc">'
        f'<title id="two-title">{escape(across)} against {escape(up.lower())}, a point for each run</title>'
        f'<desc id="two-desc">{escape(said)}.</desc>',
        f'<rect class="frame" x="{LEFT}" y="{TOP}" width="{RIGHT - LEFT}" height="{BOTTOM - TOP}"/>',
        *_grid(),
        f'<text class="axis" x="{LEFT}" y="{TOP - 14}">↑ {escape(up)}</text>',
        f'<text class="axis" x="{RIGHT}" y="{HEIGHT - 8}" text-anchor="end">{escape(across)} →</text>',
    ]
    for box, caption in zip(_captions(), QUADRANTS, strict=True):
        parts.append(f'<text class="quadrant"{_middle(box)}>{caption}</text>')
    parts += [_cross(point) for point in points]
    for point, box in zip(points, labels, strict=True):
        parts.append(_label(point, box))
    return "\n".join(parts) + "</svg>"


def place_labels(points: Sequence[Point]) -> list[Box]:
    """Where each point's name goes: in the frame, over no mark, caption or other name, nearest to it, over few arms."""
    taken = [*_captions(), *(_around(_x(p.x.value), _y(p.y.value), MARK, MARK) for p in points)]
    arms = [arm for point in points for arm in _arms(point)]
    boxes = []
    for point in points:
        wide = text_width(clipped(point.name, LABEL))
        costs = (
            (sum(map(box.overlaps, taken)), _strangers(box, point, points), _far(ring, box, arms), order, box)
            for order, (ring, box) in enumerate(_candidates(_x(point.x.value), _y(point.y.value), wide))
        )
        box = min(costs)[-1]
        taken.append(box)
        boxes.append(box)
    return boxes


def strip(place: int, values: tuple[float, float, float], scale: tuple[float, float], said: str) -> str:
    """One value (low, value, high) on a line as wide as its cell. The mark is hollow where the interval includes the 0
    of a scale that goes below it, which is drawn.
    """
    low, value, high = (_share(number, scale) for number in values)
    zero, hollow = "", ""
    if scale[0] < 0:
        at = _share(0.0, scale)
        zero = f'<line class="zero" x1="{at}" x2="{at}" y1="0" y2="100%"/>'
        hollow = " hollow" if values[0] <= 0 <= values[2] else ""
    return (
        f'<svg class="strip c{place + 1}{hollow}" role="img"><title>{escape(said)}</title>'
        f'<line class="rail" x1="0" x2="100%" y1="50%" y2="50%"/>{zero}'
        f'<line class="arm" x1="{low}" x2="{high}" y1="50%" y2="50%"/>'
        f'<svg x="{value}" y="50%" overflow="visible"><path class="mark" d="{SHAPES[place]}"/></svg></svg>'
    )


def ruler(ticks: Iterable[tuple[float, str]], scale: tuple[float, float], said: str) -> str:
    """The numbers above or below strips of the same scale."""
    parts = []
    for value, text in ticks:
        anchor = "start" if value == scale[0] else "end" if value == scale[1] else "middle"
        parts.append(f'<text x="{_share(value, scale)}" y="12" text-anchor="{anchor}">{escape(text)}</text>')
    return f'<svg class="ruler" role="img"><title>{escape(said)}</title>{"".join(parts)}</svg>'


def text_width(text: str) -> float:
    """About how wide a label is, rather too much: what it is set in, nobody knows before it is shown."""
    return LETTER * sum(1.12 if sign in "MWmw…" else 0.9 if sign.isupper() else 0.72 for sign in text)


def _x(value: float) -> float:
    return LEFT + PAD + value * (RIGHT - LEFT - 2 * PAD)


def _y(value: float) -> float:
    return BOTTOM - PAD - value * (BOTTOM - TOP - 2 * PAD)


def _share(value: float, scale: tuple[float, float]) -> str:
    return f"{100 * (value - scale[0]) / (scale[1] - scale[0]):.2f}%"


def _around(x: float, y: float, wide: float, high: float) -> Box:
    return Box(x - wide, y - high, x + wide, y + high)


def _grid() -> Iterable[str]:
    for tick in TICKS:
        x, y, kind = _x(tick), _y(tick), "half" if tick == 0.5 else "grid"
        yield (
            f'<line class="{kind}" x1="{x:g}" x2="{x:g}" y1="{TOP}" y2="{BOTTOM}"/>'
            f'<line class="{kind}" x1="{LEFT}" x2="{RIGHT}" y1="{y:g}" y2="{y:g}"/>'
            f'<text class="tick" x="{x:g}" y="{BOTTOM + 16}" text-anchor="middle">{tick:.2f}</text>'
            f'<text class="tick" x="{LEFT - 7}" y="{y + 4:g}" text-anchor="end">{tick:.2f}</text>'
        )


def _captions() -> list[Box]:
    """Next to the line of a half, where points are rarer than at 0 and 1."""
    middle = _y(0.5)
    return [_around(_x(x), y, 72, 8) for y, x in product((middle - 11, middle + 11), (0.25, 0.75))]


def _arms(point: Point) -> tuple[Box, Box]:
    x, y = _x(point.x.value), _y(point.y.value)
    return (
        Box(_x(point.x.low), y - 1, _x(point.x.high), y + 1),
        Box(x - 1, _y(point.y.high), x + 1, _y(point.y.low)),
    )


def _far(ring: int, box: Box, arms: Sequence[Box]) -> int:
    return ring + 3 * sum(map(box.overlaps, arms))


def _strangers(box: Box, point: Point, points: Sequence[Point]) -> int:
    """How many other points a reader might take the name in the box for: those that it is nearer to."""

    def away(of: Point) -> float:
        return math.dist(((box.left + box.right) / 2, (box.top + box.bottom) / 2), (_x(of.x.value), _y(of.y.value)))

    return sum(away(other) < away(point) for other in points if other is not point)


def _cross(point: Point) -> str:
    x, y = _x(point.x.value), _y(point.y.value)
    flat, steep = _arms(point)
    return (
        f'<g class="c{point.place + 1}"><path class="arm" d="M{flat.left:.1f} {y:.1f}H{flat.right:.1f}'
        f'M{x:.1f} {steep.top:.1f}V{steep.bottom:.1f}"/>'
        f'<path class="mark" transform="translate({x:.1f} {y:.1f})" d="{SHAPES[point.place]}"/></g>'
    )


def _candidates(x: float, y: float, wide: float) -> Iterable[tuple[int, Box]]:
    """Ever farther from a point, all within the frame."""
    for ring in range(HEIGHT // _STEP):
        away = MARK + ring * _STEP
        for right, down in _DIRECTIONS:
            left, top = x + right * (away + wide / 2) - wide / 2, y + down * (away + LINE / 2) - LINE / 2
            left, top = min(max(left, LEFT), RIGHT - wide), min(max(top, TOP), BOTTOM - LINE)
            yield ring, Box(left, top, left + wide, top + LINE)


def _label(point: Point, box: Box) -> str:
    x, y = _x(point.x.value), _y(point.y.value)
    near_x, near_y = min(max(x, box.left), box.right), min(max(y, box.top), box.bottom)
    far = max(abs(near_x - x), abs(near_y - y)) > MARK + _STEP
    leader = f'<path class="leader" d="M{x:.1f} {y:.1f}L{near_x:.1f} {near_y:.1f}"/>' if far else ""
    # Names that are wider or narrower than thought stay on the side of their point.
    return f'{leader}<text class="name c{point.place + 1}"{_middle(box)}>{escape(clipped(point.name, LABEL))}</text>'


def _middle(box: Box) -> str:
    return f' x="{(box.left + box.right) / 2:.1f}" y="{(box.top + box.bottom) / 2 + 4.5:.1f}" text-anchor="middle"'
