"""The figures as a table: for people on the terminal, and as Markdown for the documentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Row = tuple[str, ...]


def table(record: dict[str, Any]) -> str:
    """The figures side by side, as Markdown.

    Args:
        record: What `emotion.bench.runner.run` returns, with ``app`` where that was measured.
    """
    names = list(record["engines"])
    ours = list(record["ratios"])
    head = ("figure", *names, *(f"{name} / {record['reference']}" for name in ours))
    lines = [head, tuple("---" for _ in head), *_engine_rows(record, names, ours)]
    parts = ["\n".join(_line(line) for line in lines)]
    if parity := _parity(record):
        parts.append(parity)
    if record.get("agreement"):
        parts.append("\n".join(_line(line) for line in _agreement_rows(record["agreement"])))
    if record.get("app"):
        parts.append("\n".join(_line(line) for line in _app_rows(record["app"])))
    if record.get("long"):
        parts.append("\n".join(_line(line) for line in _long_rows(record["long"])))
    return "\n\n".join(parts)


def _line(cells: Row) -> str:
    return "| " + " | ".join(cells) + " |"


def _engine_rows(record: dict[str, Any], names: list[str], ours: list[str]) -> list[Row]:
    engines = record["engines"]
    clips = list(engines[names[0]]["latency_s"])

    def row(title: str, key: str, value: Callable[[dict[str, Any]], Any], unit: str) -> Row:
        cells = [_show(value(engines[name]), unit) for name in names]
        ratio = [_ratio(record["ratios"][name].get(key)) for name in ours]
        return (title, *cells, *ratio)

    rows = [
        row("process start → ready", "ready_s", lambda e: e["ready_s"], "s"),
        row("process start → first result", "first_s", lambda e: e["first_s"], "s"),
        *(row(f"warm {clip} s clip", f"latency_{clip}s", _latency(clip), "s") for clip in clips),
        row("many clips of 2–6 s", "throughput", lambda e: e["throughput"], "× real time"),
        row("peak memory", "peak_bytes", lambda e: e["peak_bytes"], "GB"),
        row("peak VRAM", "vram_bytes", lambda e: e["vram_bytes"], "GB"),
    ]
    if record.get("operations"):
        rows.append(row("share of the GEMM rate", "share", lambda e: _share(record, e), ""))
    return rows


def _latency(clip: str) -> Callable[[dict[str, Any]], Any]:
    return lambda engine: engine["latency_s"][clip]


def _share(record: dict[str, Any], engine: dict[str, Any]) -> float | None:
    """Counted operations over what the machine's matrix products do in the same time."""
    done = engine["gemm_operations"]
    return float(record["operations"]["count"] / done) if done else None


def _parity(record: dict[str, Any]) -> str:
    lines = []
    for name, found in record["parity"].items():
        scores = "not comparable" if found["scores"] is None else f"{found['scores']:.1e}"
        distance = found["embedding"]
        embedding = "not comparable" if distance is None else f"{distance:.1e} relative"
        lines.append(f"Parity of {name}: scores {scores}, embedding {embedding}.")
    return "\n".join(lines)


def _agreement_rows(agreement: dict[str, Any]) -> list[Row]:
    rows: list[Row] = [
        ("real speech, beside emotion fp32", "clips", "equal labels", "scores within"),
        ("---", "---", "---", "---"),
    ]
    for name, found in agreement.items():
        cells = ("not comparable", "not comparable")
        if found["labels"] is not None:
            cells = (f"{found['labels']:.2%}", f"{found['scores']:.1e}")
        rows.append((name, str(found["clips"]), *cells))
    return rows


def _app_rows(app: dict[str, Any]) -> list[Row]:
    return [
        ("web app", ""),
        ("---", "---"),
        ("process start → page answers", _show(app["page_s"], "s")),
        ("process start → page and model ready", _show(app["ready_s"], "s")),
        ("request over HTTP minus inference, 5 s WAV", _show(app["overhead_s"], "s")),
    ]


def _long_rows(long: dict[str, float]) -> list[Row]:
    above = long["long_bytes"] - long["short_bytes"]
    return [
        ("peak memory, frame granularity and embedding", ""),
        ("---", "---"),
        ("30 s", _show(long["short_bytes"], "GB")),
        (f"{long['hours']:g} h", _show(long["long_bytes"], "GB")),
        ("above", _show(above, "GB")),
    ]


def _show(value: float | None, unit: str) -> str:
    if value is None:
        return "not measured"
    if unit == "GB":
        return f"{value / 1e9:.2f} GB"
    return f"{value:.3g} {unit}".strip()


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}×"


def markdown(record: dict[str, Any], command: str) -> str:
    """A section for ``docs/benchmarks.md``: the machine, the command, the table."""
    machine = ", ".join(f"{key} {value}" for key, value in record["machine"].items())
    plan = record["plan"]
    medians = f"Medians of {plan['rounds']} fresh processes of each engine, interleaved."
    if plan["cold"]:
        medians += " Each process read the checkpoint from the disk."
    return f"Machine: {machine}. {medians}\n\n```bash\n{command}\n```\n\n{table(record)}\n"
