"""Draws the latency distributions of a run as SVG. Needs matplotlib."""

from pathlib import Path
from typing import Any

from benchmarks.results import PERCENTILES, Result, Run
from benchmarks.workload import Load, Operation

_TIMED = (Load.ONE_CLIENT, Load.CLIENT_PROCESSES)
# Each can be read on white and on black: a picture does not know the page that it stands on.
_OURS, _THEIRS, _WORDS = "#d9571c", "#6b7c93", "#767676"
_ROW_INCHES = 0.32
_LEGEND = "time of one call: 1% to 99% of them, the half in the middle, the median"
_SETTINGS = {
    "font.family": "sans-serif",
    "savefig.transparent": True,
    "text.color": _WORDS,
    "axes.labelcolor": _WORDS,
    "axes.edgecolor": _WORDS,
    "xtick.color": _WORDS,
    "ytick.color": _WORDS,
    "svg.fonttype": "none",  # text stays text: smaller, and found by a search
    "svg.hashsalt": "pack-db",  # else every drawing of the same run would differ
}


def draw(run: Run, directory: Path) -> list[Path]:
    """One chart for each operation; returns the files."""
    import matplotlib

    matplotlib.use("svg")
    drawn = []
    with matplotlib.rc_context(_SETTINGS):
        for operation in Operation:
            results = [result for result in run.results if result.operation is operation]
            if any(result.load in _TIMED for result in results):
                path = directory / f"latency-{operation}.svg"
                _draw(operation, results, path)
                drawn.append(path)
    return drawn


def _draw(operation: Operation, results: list[Result], path: Path) -> None:
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter, LogLocator

    name = operation if operation is Operation.GET else f"durable {operation}"
    loads = [load for load in _TIMED if any(r.load is load for r in results)]
    most = max(sum(r.load is load for r in results) for load in loads)
    figure, panels = pyplot.subplots(
        len(loads), 1, figsize=(8, len(loads) * (1.1 + most * _ROW_INCHES)), squeeze=False
    )
    for panel, load in zip(panels[:, 0], loads, strict=True):
        _draw_panel(panel, [r for r in results if r.load is load])
        panel.set_title(f"{name}, {load.description}", loc="left", fontsize=10)
        panel.set_xscale("log")
        panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.xaxis.set_major_formatter(FuncFormatter(_duration))
        panel.xaxis.minorticks_off()
        panel.grid(axis="x", alpha=0.3)
        panel.spines[["top", "right", "left"]].set_visible(False)
        panel.tick_params(axis="y", length=0)
    panels[-1, 0].set_xlabel(_LEGEND)
    figure.tight_layout()
    # No date: the same run gives the same file.
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _draw_panel(panel: Any, results: list[Result]) -> None:
    timed = [r for r in results if r.percentile_us(50) is not None]
    # The slowest first, as the axis counts from below.
    timed.sort(key=lambda r: -(r.percentile_us(50) or 0.0))
    for height, result in enumerate(timed):
        at = {p: result.percentile_us(p) or 0.0 for p in PERCENTILES}
        color = _OURS if result.peer.startswith("pack_db") else _THEIRS
        panel.plot([at[1], at[99]], [height, height], color=color, linewidth=1)
        panel.plot(
            [at[25], at[75]], [height, height], color=color, linewidth=6, solid_capstyle="butt"
        )
        panel.plot(at[50], height, "o", color="white", markeredgecolor=color, markersize=6)
    panel.set_yticks(range(len(timed)), [result.title for result in timed])
    panel.set_ylim(-0.7, len(timed) - 0.3)


def _duration(us: float, _position: int) -> str:
    return f"{us:g} µs" if us < 1000 else f"{us / 1000:g} ms"
