"""``emotion compare``: how alike recordings are, which groups they form, a map of them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from emotion.cli import options
from emotion.cli.counting import several
from emotion.cli.quiet import quiet
from emotion.cli.stopping import stoppable
from emotion.core.config import Config
from emotion.core.errors import ConfigError
from emotion.core.options import Clustering, Projecting

if TYPE_CHECKING:
    from emotion.analysis.comparison import Comparison

_MOST_IN_MATRIX: Final = 12
_PAIRS: Final = 5
_NAME: Final = 28  # characters of a name in a matrix


def add(commands: Any) -> None:
    """Adds the command."""
    text = "Compare recordings by their embeddings."
    parents = [options.common(), options.model(), options.hub(), options.audio()]
    parser = commands.add_parser("compare", help=text, description=text, parents=parents)
    text = (
        "a recording, a folder, a glob in quotes, a list or a ZIP file, a run folder or a folder "
        "of them, an embedding.npy; together 2 to 2,000 recordings"
    )
    parser.add_argument("items", nargs="+", metavar="ITEM", help=text)
    text = "a .csv or .tsv file with a column path or file; date and speaker give mood over time"
    parser.add_argument("--table", action="append", type=Path, metavar="FILE", help=text)
    text = "colours of the map: emotion (default), cluster, or a column of the table"
    parser.add_argument("--color-by", metavar="COLUMN", default="emotion", help=text)
    text = "the map; auto is PCA below ten recordings, else t-SNE"
    parser.add_argument("--projection", choices=get_args(Projecting), default="auto", help=text)
    text = "groups; auto is HDBSCAN from twenty recordings on where it finds some, else k-means"
    parser.add_argument("--clustering", choices=get_args(Clustering), default="auto", help=text)
    text = "how many groups k-means makes"
    parser.add_argument("--clusters", type=int, metavar="N", help=text)
    text = "name the recordings that are most like this one"
    parser.add_argument("--neighbours-of", metavar="NAME", help=text)
    parser.add_argument("--seed", type=int, metavar="N", default=0, help="of what is random (0)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    text = "write similarity.csv, map.csv, map.svg and comparison.json into this folder"
    parser.add_argument("--out", type=Path, metavar="DIR", help=text)
    parser.set_defaults(command=run)


def run(args: argparse.Namespace, config: Config) -> int:
    """Compares, prints and writes."""
    from emotion.analysis.comparison import MOST, Wanted, compare
    from emotion.cli.comparing import gather
    from emotion.corpus.comparison_files import write_comparison
    from emotion.corpus.map_svg import kinds_of
    from emotion.corpus.own_columns import with_tables

    _check(args)
    wanted = Wanted(args.projection, args.clustering, args.clusters, seed=args.seed)
    with stoppable(), quiet(args.verbose):
        gathered = gather(args.items, config)
    if not 2 <= len(gathered.items) <= MOST:
        raise ConfigError(option="items", value=len(gathered.items), expected=f"2 to {MOST}")
    names = [item.name for item in gathered.items]
    places = _places(names, args.neighbours_of)
    comparison = compare(with_tables(gathered.items, args.table or ()), wanted)
    kinds_of(comparison, args.color_by)  # a wrong column is told before anything is written
    if args.json:
        print(json.dumps(comparison.to_dict(), ensure_ascii=False))
    else:
        _print(comparison, names, places)
    if args.out is not None:
        for path in write_comparison(comparison, args.out, args.color_by):
            print(path, file=sys.stderr if args.json else sys.stdout)
    return 1 if gathered.failed else 0


def _check(args: argparse.Namespace) -> None:
    if args.clusters is not None and not 1 <= args.clusters <= 100:
        raise ConfigError(option="clusters", value=args.clusters, expected="1 to 100")
    if not 0 <= args.seed < 2**32:
        raise ConfigError(option="seed", value=args.seed, expected="0 to 4294967295")


def _print(comparison: Comparison, names: list[str], places: list[int]) -> None:
    if len(names) <= _MOST_IN_MATRIX:
        _print_matrix("Similarity of embeddings", names, comparison.embedding_similarity)
        if comparison.score_similarity is not None:
            _print_matrix("Similarity of scores", names, comparison.score_similarity)
    else:
        _print_groups(comparison, names)
        _print_pairs(comparison, names)
    for trend in comparison.trends:
        print(f"Over time{f', {trend.speaker}' if trend.speaker else ''}:")
        for date, index in zip(trend.dates, trend.indices, strict=True):
            item = comparison.items[index]
            print(f"  {date}  {item.emotion} {item.confidence or 0:.1%}  {item.name}")
        print()
    _print_neighbours(comparison, names, places)


def _print_matrix(title: str, names: list[str], matrix: Any) -> None:
    print(title)
    width = max(len(_short(name)) for name in names)
    print(" " * (width + 5) + "".join(f"{number:>7}" for number in range(1, len(names) + 1)))
    for number, (name, row) in enumerate(zip(names, matrix, strict=True), 1):
        values = "".join(f"{value:7.3f}" for value in row)
        print(f"{number:>3}  {_short(name):<{width}}{values}")
    print()


def _print_groups(comparison: Comparison, names: list[str]) -> None:
    if comparison.clusters is None:
        return
    print(f"Groups ({comparison.clusters.method})")
    for group in comparison.clusters.groups:
        emotions = ", ".join(f"{label} {count}" for label, count in group.emotions.items())
        print(
            f"  {group.label}: {several(group.size, 'recording')}"
            + (f"; {emotions}" if emotions else "")
        )
        print(f"     typical: {', '.join(names[place] for place in group.typical[:3])}")
    alone = sum(label < 0 for label in comparison.clusters.labels)
    if alone:
        print(f"  in no group: {alone}")
    print()


def _print_pairs(comparison: Comparison, names: list[str]) -> None:
    from emotion.analysis.neighbours import closest_pairs

    print("Most alike")
    for first, second in closest_pairs(comparison.embedding_similarity, _PAIRS):
        value = comparison.embedding_similarity[first, second]
        print(f"  {value:.3f}  {names[first]}  –  {names[second]}")
    print()


def _places(names: list[str], of: str | None) -> list[int]:
    """The places of the recordings with a name.

    Raises:
        ConfigError: There is none.
    """
    places = [place for place, name in enumerate(names) if of in (name, Path(name).name)]
    if of is not None and not places:
        expected = "the name of one of the recordings"
        raise ConfigError(option="neighbours-of", value=of, expected=expected)
    return places


def _print_neighbours(comparison: Comparison, names: list[str], places: list[int]) -> None:
    for place in places:
        print(f"Most like {names[place]}")
        for near in comparison.neighbours[place]:
            print(f"  {near.similarity:.3f}  {names[near.index]}")


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"…{name[1 - _NAME :]}"
