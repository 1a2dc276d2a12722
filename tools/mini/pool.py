"""Recordings kept as bands and pitch, from which training draws its crops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tools.mini.bands import BANDS, analyse, band_filters, frame_count
from tools.mini.pitch import UNVOICED


class BandPool:
    """Band outputs and pitch of many recordings in flat arrays, and crops of them.

    Args:
        recordings: int16, (samples,) each, 16 kHz.
        pitch: uint8, (frames,) each, see `tools.mini.pitch.semitones`.
    """

    def __init__(
        self,
        recordings: Sequence[NDArray[np.int16]],
        pitch: Sequence[NDArray[np.uint8]],
    ) -> None:
        filters = band_filters()
        sizes = [frame_count(len(audio)) for audio in recordings]
        self.size = torch.tensor(sizes)
        self._offset = torch.cumsum(self.size, 0) - self.size
        self._bands = torch.empty(sum(sizes), 2 * BANDS, dtype=torch.float16)
        for audio, start, size in zip(recordings, self._offset.tolist(), sizes, strict=True):
            self._bands[start : start + size] = analyse(audio, filters)
        self._pitch = torch.from_numpy(np.concatenate(pitch))

    def loudness(self) -> Tensor:
        """Root mean square of every band over all frames: float32, (BANDS,)."""
        some = self._bands[:: max(1, len(self._bands) // 50_000)].float().square()
        return some.mean(0).reshape(2, BANDS).mean(0).sqrt()

    def crops(self, rows: Tensor, frames: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """A crop of each recording, anywhere in it; nothing around it where it is shorter.

        Args:
            rows: int64, (B,), which recordings.
            frames: T, at 100 a second.
            generator: Source of the positions.

        Returns:
            Bands, float32, (B, T, 2 * BANDS), and pitch, int64, (B, T).
        """
        size = self.size[rows]
        room = (size - frames).abs() + 1
        place = (torch.rand(len(rows), generator=generator) * room).long()
        first = torch.where(size > frames, place, -place)
        at = first[:, None] + torch.arange(frames)
        outside = (at < 0) | (at >= size[:, None])
        at = (at + self._offset[rows][:, None]).masked_fill(outside, 0)
        bands = self._bands[at].float().masked_fill(outside[..., None], 0.0)
        return bands, self._pitch[at].long().masked_fill(outside, UNVOICED)
