"""Emotion recognition for a study, from a folder of recordings to tables and pictures.

    .venv/bin/python -m docs.tutorial FOLDER --out study

Read it from top to bottom: each step is a function, and `main` calls them in order. The folder
holds recordings or sub-folders of them. What comes before the first ``_`` of a name is its speaker.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from emotion import Recognizer
from emotion.analysis.comparison import Wanted, compare
from emotion.analysis.items import Compared
from emotion.core.labels import LABELS
from emotion.corpus.comparison_files import write_comparison
from emotion.corpus.inputs import find_inputs
from emotion.exports import write
from emotion.recognition.table import embeddings_of


def label_folder(recognizer: Recognizer, folder: Path) -> pd.DataFrame:
    """Step 1: every recording gets a row; a broken one has an error instead of scores."""
    files = [str(item.source) for item in find_inputs([str(folder)]).items]
    table = recognizer.process_files(files, embedding=True)
    broken = table["error"].dropna()
    print(f"{len(table) - len(broken)} recordings labelled, {len(broken)} could not be read")
    for message in broken:
        print(f"  {message}")
    table["speaker"] = [speaker_of(file) for file in table.index.get_level_values("file")]
    return table[table["error"].isna()]


def speaker_of(file: str) -> str:
    """Whose recording it is, by your own rule."""
    return Path(file).stem.partition("_")[0]


def save(table: pd.DataFrame, out: Path) -> None:
    """Step 2: a table for R, SPSS or a spreadsheet, without the embeddings."""
    columns = ["speaker", "emotion", "confidence", *LABELS, "warnings"]
    table[columns].to_csv(out / "emotions.csv", encoding="utf-8-sig")


def plot_shares(table: pd.DataFrame, out: Path) -> None:
    """Step 3: how often each speaker is heard with each emotion."""
    shares = pd.crosstab(table["speaker"], table["emotion"], normalize="index")
    shares.to_csv(out / "shares.csv")
    print("\nShares of emotions by speaker")
    for speaker, row in shares.iterrows():
        print(f"  {speaker}")
        for emotion, share in row[row > 0].sort_values(ascending=False).items():
            print(f"    {emotion:<10} {'█' * round(30 * share)} {share:.0%}")


def map_and_cluster(table: pd.DataFrame, out: Path) -> None:
    """Step 4: which recordings sound alike, by their embeddings; ``map.svg`` shows it."""
    items = [
        Compared(Path(file).name, embedding, emotion=emotion, columns={"speaker": speaker})
        for file, embedding, emotion, speaker in zip(
            table.index.get_level_values("file"),
            embeddings_of(table),
            table["emotion"],
            table["speaker"],
            strict=True,
        )
    ]
    comparison = compare(items, Wanted(seed=0))
    for path in write_comparison(comparison, out, colour_by="speaker"):
        print(path)


def export_to_praat(recognizer: Recognizer, file: str, out: Path) -> None:
    """Step 5: the speech segments of one recording as a TextGrid."""
    result = recognizer.recognize(file, granularity="segment").result
    for path in write(result, out, ["textgrid"]):
        print(path)


def compare_models(first: pd.DataFrame, model: str, out: Path) -> None:
    """Step 6: does a second model agree? Where it does not, listen yourself."""
    files = list(first.index.get_level_values("file"))
    second = Recognizer.load(model).process_files(files)
    both = pd.DataFrame(
        {
            "first": first["emotion"].astype(str).to_numpy(),
            "second": second["emotion"].astype(str).to_numpy(),
            "confidence": first["confidence"].to_numpy(),
        },
        index=files,
    )
    both.index.name = "file"
    differ = both[both["first"] != both["second"]].sort_values("confidence", ascending=False)
    differ.to_csv(out / "disagreements.csv", encoding="utf-8-sig")
    print(f"\nThe models agree on {1 - len(differ) / len(both):.0%} of the recordings")


def main(argv: Sequence[str] | None = None) -> int:
    """All steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("study"))
    parser.add_argument("--model", default="auto", help="a name or a folder")
    parser.add_argument("--second-model", default="emotion2vec_mini", help="a name or a folder")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    recognizer = Recognizer.load(args.model)
    table = label_folder(recognizer, args.folder)
    save(table, args.out)
    plot_shares(table, args.out)
    map_and_cluster(table, args.out)
    export_to_praat(recognizer, table.index.get_level_values("file")[0], args.out)
    compare_models(table, args.second_model, args.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
