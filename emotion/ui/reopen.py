"""A stored run on the page, as if it had just ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from emotion.core.errors import ResultError, RunNotFoundError
from emotion.core.results import Result
from emotion.services.run_exports import read_result
from emotion.storage.run_store import RESULT_FILE
from emotion.ui.files import HandOver, run_files
from emotion.ui.handlers import Outputs, Update, finished


def reopened(out: Outputs, hand_over: HandOver, folder: Path) -> Update:
    """What the outputs show of a run that lies on the disk.

    Whoever calls it checks first that the visitor may see the run.

    Args:
        out: The components; the buttons among them stay as they are.
        hand_over: Makes the run's files available for download.
        folder: The run folder.

    Raises:
        RunNotFoundError: The run was deleted meanwhile.
        ResultError: Its result is damaged, or of a newer version.
        OutputError: Its files cannot be handed over.
    """
    if not (folder / RESULT_FILE).is_file():
        raise RunNotFoundError(run_id=folder.name)
    try:
        result = read_result(folder / RESULT_FILE)
        files = run_files(hand_over, folder)
    except ResultError as e:  # visitors know a run by its id, not by the file in it
        raise ResultError(**{**e.params, "file": folder.name}) from e
    return finished(out, result, files, list(_log(result, folder)))


def _log(result: Result, folder: Path) -> Iterator[str]:
    """The lines of the log that the stored result still tells."""
    for warning in result.warnings:
        yield f"[WARNING] {warning.message}"
    level = f"({result.granularity}-level)"
    yield f"[INFO] Inference time: {result.timing.inference_s:.2f}s {level}"
    yield f"[INFO] Result saved → {folder.name}"
