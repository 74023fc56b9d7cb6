"""The plot of the comparison for the README, as SVG."""

import math
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from benchmarks.comparison import LOADS, Result
from benchmarks.contenders import CEILING, SERVICE

# In pixels. Each contender has a row with three bars and one range. Each database has a heading.
WIDTH = 940
NAME, BARS, BARS_WIDTH, RANGES, RANGES_WIDTH = 24, 236, 330, 648, 262
TOP, HEADING, ROW, BAR = 124, 34, 50, 12

SUBTITLE = "With token, validation, and a sync of the disk before the response. Build Admin also stores a revision."
INK, FAINT, RULE = "#1f2937", "#6b7280", "#e5e7eb"
_COLOURS = {SERVICE: "#0b7a55", CEILING: "#9ca3af"}
_PEER = "#c2762b"
_HEADINGS = {"": "HTTP only", "SQLite": "SQLite, synchronous=FULL", "PostgreSQL": "PostgreSQL, default settings"}
_SHADES = {1: 0.55, 8: 1.0, 32: 0.75}


def svg(results: Sequence[Result], caption: str) -> str:
    """Return the plot of overwrites a second, and of their p50 and p99 with 8 connections."""
    heights, bottom = _layout(results)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 44}" '
        f'font-family="system-ui, Segoe UI, Helvetica, Arial, sans-serif" font-size="13" fill="{INK}">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        _text(NAME, 34, "Overwrites of a build", size=19, weight=600),
        _text(NAME, 56, SUBTITLE, fill=FAINT),
        _text(BARS, 90, "a second, with 1, 8 and 32 connections", weight=600),
        _text(RANGES, 90, "milliseconds with 8: p50 to p99", weight=600),
        *_names(results, heights),
        *_bars(results, heights),
        *_ranges(results, heights, bottom),
        _text(NAME, bottom + 28, caption, size=11, fill=FAINT),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _layout(results: Sequence[Result]) -> tuple[list[int], int]:
    """Return the top of each row, and the bottom of the last. The first row of each database has a heading above it."""
    heights, height, database = [], TOP, None
    for result in results:
        if result.database != database:
            height += HEADING
            database = result.database
        heights.append(height)
        height += ROW
    return heights, height


def _names(results: Sequence[Result], heights: Sequence[int]) -> Iterator[str]:
    database = None
    for result, top in zip(results, heights, strict=True):
        if result.database != database:
            database = result.database
            yield _line(NAME, top - 24, WIDTH - 24, top - 24)
            yield _text(NAME, top - 7, _HEADINGS[database], size=11, fill=FAINT)
        yield _text(NAME, top + 25, result.name, weight=700 if result.name == SERVICE else 400)


def _bars(results: Sequence[Result], heights: Sequence[int]) -> Iterator[str]:
    loads = [connections for method, connections in LOADS if method == "PUT"]
    most = max(result.outcome("PUT", connections).rate for result in results for connections in loads)
    for result, top in zip(results, heights, strict=True):
        for place, connections in enumerate(loads):
            outcome = result.outcome("PUT", connections)
            y = top + 2 + place * (BAR + 2)
            length = outcome.rate / most * BARS_WIDTH
            yield _text(BARS - 6, y + 10, str(connections), size=10, fill=FAINT, anchor="end")
            yield (
                f'<rect x="{BARS}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{_colour(result)}" '
                f'fill-opacity="{_SHADES[connections]}"/>'
            )
            label = "invalid" if outcome.failures else f"{outcome.rate:,.0f}"
            yield _text(BARS + length + 5, y + 10, label, size=10, weight=600 if connections == 8 else 400)


def _ranges(results: Sequence[Result], heights: Sequence[int], bottom: int) -> Iterator[str]:
    rows = [(result, result.outcome("PUT", 8), top) for result, top in zip(results, heights, strict=True)]
    valid = [row for row in rows if not row[1].failures]
    low = math.floor(math.log10(min((outcome.p50 for _, outcome, _ in valid), default=1)))
    high = math.ceil(math.log10(max((outcome.p99 for _, outcome, _ in valid), default=10)))

    def x(milliseconds: float) -> float:
        return RANGES + (math.log10(milliseconds) - low) / (high - low) * RANGES_WIDTH

    for power in range(low, high + 1):
        yield _line(x(10**power), TOP - 12, x(10**power), bottom, fill=RULE)
        yield _text(x(10**power), TOP - 16, f"{10**power:g}", size=10, fill=FAINT, anchor="middle")
    for result, outcome, top in valid:
        y, colour = top + 22, _colour(result)
        yield _line(x(outcome.p50), y, x(outcome.p99), y, fill=colour, width=3)
        yield f'<circle cx="{x(outcome.p50):.1f}" cy="{y}" r="5" fill="{colour}"/>'
        yield _line(x(outcome.p99), y - 6, x(outcome.p99), y + 6, fill=colour, width=3)
        yield _text(x(outcome.p50), y - 9, _milliseconds(outcome.p50), size=10, anchor="middle")
        yield _text(x(outcome.p99), y + 18, _milliseconds(outcome.p99), size=10, anchor="middle")


def _colour(result: Result) -> str:
    return _COLOURS.get(result.name, _PEER)


def _milliseconds(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"


def _text(
    x: float, y: float, text: str, *, size: int = 13, fill: str = INK, weight: int = 400, anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" '
        f'fill="{fill}">{escape(text)}</text>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, *, fill: str = RULE, width: int = 1) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{fill}" stroke-width="{width}"/>'
