"""An evaluation for people: Markdown, and HTML that needs no other file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from emotion.core.labels import LABELS
from emotion.evaluation.evaluation import Evaluation, Group
from emotion.evaluation.pictures import confusion_svg, coverage_svg, reliability_svg

_THRESHOLDS: Final = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_STYLE: Final = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, "Noto Sans CJK SC", sans-serif; color: #1c2733; background: #fff;
  max-width: 1060px; margin: 0 auto; padding: 24px 16px; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 10px; border-bottom: 1px solid #d5dbe1; text-align: left; }
.wide { overflow-x: auto; } .pictures { display: flex; flex-wrap: wrap; gap: 16px; }
svg { max-width: 100%; height: auto; } td.file { text-align: left; word-break: break-all; }
audio { height: 30px; max-width: 240px; }
"""


@dataclass(frozen=True)
class About:
    """What an evaluation is of.

    Attributes:
        manifest: Name of the manifest.
        kind: What kind of manifest it is.
        model: Name and device of the model.
        made: When, ``YYYY-MM-DD HH:MM``.
        version: Of this package.
    """

    manifest: str
    kind: str
    model: str
    made: str
    version: str


def markdown(evaluation: Evaluation, about: About) -> str:
    """A report for a repository or a paper's appendix."""
    lines = [f"# {about.model} on {_plain(about.manifest)}", "", *_intro(evaluation, about), ""]
    for title, header, rows in _tables(evaluation):
        lines += [f"## {title}", "", *markdown_table(header, rows), ""]
    lines += ["## Most confident mistakes", ""]
    mistakes = [
        (one.sample.name, one.reference, one.predicted, f"{one.confidence:.1%}")
        for one in evaluation.mistakes
    ]
    header = ("file", "reference", "predicted", "confidence")
    lines += markdown_table(header, mistakes) if mistakes else ["None."]
    return "\n".join(lines) + "\n"


def html(evaluation: Evaluation, about: About) -> str:
    """The same with pictures; the recordings of mistakes are linked, not contained."""
    title = escape(f"{about.model} on {about.manifest}")
    parts = [f"<h1>{title}</h1>", *(f"<p>{escape(line)}</p>" for line in _intro(evaluation, about))]
    overall = evaluation.overall
    parts.append('<div class="pictures">')
    parts.append(confusion_svg(overall.figures.confusion))
    parts.append(reliability_svg(evaluation.reliability, overall.ece))
    parts.append(coverage_svg(evaluation.coverage))
    parts.append("</div>")
    for heading, header, rows in _tables(evaluation):
        parts += [f"<h2>{escape(heading)}</h2>", html_table(header, rows)]
    parts.append("<h2>Most confident mistakes</h2>")
    parts.append(_mistakes(evaluation) if evaluation.mistakes else "<p>None.</p>")
    return html_page(f"{about.model} on {about.manifest}", parts)


def html_page(title: str, parts: Iterable[str]) -> str:
    """A page that needs no other file.

    Args:
        title: Plain text.
        parts: HTML.
    """
    return "\n".join(
        (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
            *parts,
            "</body></html>\n",
        )
    )


Table = tuple[str, Sequence[str], Sequence[Sequence[str]]]


def _intro(evaluation: Evaluation, about: About) -> list[str]:
    labelled, overall = evaluation.labelled, evaluation.overall
    found = overall.figures
    low, high = overall.intervals["ua"]
    lines = [
        f"UA {found.ua:.1%} (mean recall of {len(found.classes)} reference classes; 95 % interval "
        f"{low:.1%} to {high:.1%}, {overall.drawn} {overall.units} drawn), WA {found.wa:.1%} "
        f"(accuracy), macro F1 {found.macro_f1:.3f}, weighted F1 "
        f"{found.weighted_f1:.3f}, expected calibration error "
        f"{overall.ece:.3f}.",
        f"{found.num} recordings ({about.kind}), {len(evaluation.speakers)} speakers known; "
        f"{labelled.unmapped} left out, because their labels are none of the nine emotions, "
        f"{len(evaluation.failed)} could not be recognised.",
        f"Made by emotion {about.version}, {about.made}.",
    ]
    if tuple(evaluation.labels) != LABELS:
        names = ", ".join(evaluation.labels)
        outside = f"{labelled.outside} recordings of other emotions are left out"
        lines.insert(1, f"Only these compete, and their scores add up to 1: {names}; {outside}.")
    return lines


def _tables(evaluation: Evaluation) -> Iterable[Table]:
    overall = evaluation.overall
    yield (
        "Classes",
        ("class", "precision", "recall", "F1", "recordings"),
        [
            (name, f"{one.precision:.3f}", f"{one.recall:.3f}", f"{one.f1:.3f}", str(one.support))
            for name, one in overall.figures.classes.items()
        ],
    )
    data = overall.figures.to_dict()["confusion"]
    yield (
        "Confusions, rows are references",
        ("", *data["predicted"]),
        [
            (name, *map(str, row))
            for name, row in zip(data["reference"], data["counts"], strict=True)
        ],
    )
    for column, groups in evaluation.groups.items():
        yield f"By {column}", _GROUP_HEADER, [_group_row(name, one) for name, one in groups.items()]
    if evaluation.speakers:
        rows = [
            (name, str(one.num), f"{one.ua:.3f}", f"{one.wa:.3f}", f"{one.macro_f1:.3f}")
            for name, one in evaluation.speakers.items()
        ]
        yield "By speaker", ("speaker", "recordings", "UA", "WA", "macro F1"), rows
    yield "If unsure answers are left out", _KEPT_HEADER, _kept_rows(evaluation)
    yield (
        "Labels",
        ("label", "emotion", "recordings"),
        [
            (name or "(empty)", emotion or "– left out", str(count))
            for name, emotion, count in evaluation.labelled.mapped
        ],
    )
    if evaluation.failed:
        yield "Not recognised", ("file", "why"), [*evaluation.failed]


_GROUP_HEADER: Final = ("", "recordings", "UA", "95 % interval", "WA", "macro F1", "ECE")
_KEPT_HEADER: Final = ("confidence at least", "kept", "WA", "UA")


def _group_row(name: str, one: Group) -> Sequence[str]:
    low, high = one.intervals["ua"]
    found = one.figures
    return (
        name, str(found.num), f"{found.ua:.3f}", f"{low:.3f} to {high:.3f}", f"{found.wa:.3f}",
        f"{found.macro_f1:.3f}", f"{one.ece:.3f}",
    )  # fmt: skip


def _kept_rows(evaluation: Evaluation) -> list[Sequence[str]]:
    from emotion.evaluation.calibration import at_least

    asked = {*_THRESHOLDS, evaluation.min_confidence} - {0.0}
    found = [at_least(evaluation.scores, evaluation.reference, one) for one in sorted(asked)]
    return [
        (f"{one.min_confidence:g}", f"{one.coverage:.1%}", f"{one.accuracy:.3f}", f"{one.ua:.3f}")
        for one in found
        if one is not None
    ]


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table."""
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    return lines + ["| " + " | ".join(map(_plain, row)) + " |" for row in rows]


def _plain(text: str) -> str:
    """Text that Markdown neither splits nor formats."""
    return "".join(f"\\{letter}" if letter in "|\\`*_<>[]" else letter for letter in text)


def html_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table that scrolls by itself where it is too wide."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _mistakes(evaluation: Evaluation) -> str:
    rows = []
    for one in evaluation.mistakes:
        path = one.sample.path
        address = path.resolve().as_uri() if isinstance(path, Path) else path.url
        link = escape(address, quote=True)
        rows.append(
            f'<tr><td class="file"><a href="{link}">{escape(one.sample.name)}</a></td>'
            f"<td>{one.reference}</td><td>{one.predicted}</td><td>{one.confidence:.1%}</td>"
            f'<td><audio controls preload="none" src="{link}"></audio></td></tr>'
        )
    head = "<th>file</th><th>reference</th><th>predicted</th><th>confidence</th><th></th>"
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(rows)}</table></div>'
