"""One training run: batches that depend on seed and step, loss, steps, checkpoints.

The network learns to tell what speech is like: pitch, rhythm, spectrum. Trained on labels it learns
the voices of few speakers instead. What it is told of them is what `tools.mini.teacher` makes of a
recording's figures; the labels themselves come last, see `tools.mini.head`.
"""

from __future__ import annotations

import copy
import logging
import math
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from emotion.models.network import Emotion2vec
from tools.mini import degrade
from tools.mini.bands import HOP, add_noise, change_microphone, frame_count
from tools.mini.clip_targets import Described
from tools.mini.data import Clip
from tools.mini.frame_targets import frame_targets
from tools.mini.network import BandNetwork, at_fifty_hz, mini_config, start
from tools.mini.pool import BandPool
from tools.mini.teacher import teach

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """Everything that a run's result depends on besides its clips.

    Attributes:
        seed: Of all randomness but that of the voices.
        epochs: Length of the schedule in passes over as many recordings as there are.
        batch: Recordings in a step.
        learning_rate: Highest, after the warm-up.
        warmup_steps: Steps until then.
        weight_decay: Of all parameters.
        ema_decay: Of the averaged weights, which are the result.
        voices: Voices of every recording, its own among them.
        frame_weight: Weight of the loss of each frame's targets.
        mean_weight: Weight of the loss of their means over the recording.
        clip_weight: Weight of the loss of the recording's figures.
        teacher_weight: Weight of the loss of what the teacher says of the recording.
        silent: Share of the batches that have silence around all recordings.
        long_silent: Share of the batches that have up to 10 s of it, and half as many recordings.
        phone, rooms, noisy: Shares of recordings by telephone, in rooms, in loud noise; their
            targets are those of the recording before that.
        draw_power: A corpus is drawn in proportion to its number of clips to this power.
        corpus_power: Of the head, see `sampling_weights`.
        strength: Of the head: inverse of the regularisation, ``C`` of scikit-learn.
        smoothness: Of the head: penalty on the variance of its logits within a recording.
        second_weight: Of the head: what a second of a recording counts, the whole being 1.
        changes: Of the head: how many worse conditions it hears each recording in.
        changed_weight: Of the head: weight of a recording in one of them, the clean one being 1.
        steadiness: Of the head: penalty on the variance of its logits between a recording and the
            same recording in a worse condition.
    """

    seed: int = 0
    epochs: float = 28.0
    batch: int = 32
    learning_rate: float = 1.5e-3
    warmup_steps: int = 200
    weight_decay: float = 0.01
    ema_decay: float = 0.998
    voices: int = 12
    frame_weight: float = 0.3
    mean_weight: float = 2.0
    clip_weight: float = 2.0
    teacher_weight: float = 3.0
    silent: float = 0.7
    long_silent: float = 0.2
    phone: float = 0.3
    rooms: float = 0.3
    noisy: float = 0.4
    draw_power: float = 0.5
    corpus_power: float = 0.3
    strength: float = 0.15
    smoothness: float = 0.3
    second_weight: float = 0.3
    changes: int = 2
    changed_weight: float = 0.4
    steadiness: float = 300.0


SHORTEST, LONGEST = 120, 420  # frames of a batch, 100 a second
MOST_SILENCE = 200  # frames
LONG_SILENCE = 1000
NEIGHBOURS = 400  # recordings of similar length that a batch is drawn from
LIMIT = 4.0  # standard deviations of a recording's figures
MINIMUM_STD = 1e-2


@dataclass(frozen=True)
class Batch:
    """Recordings of similar length and what they are like.

    Attributes:
        bands: float32, (B, T, 2 * BANDS), 100 frames a second.
        frames: float32, (B, T, frame figures), see `frame_targets`.
        figures: float32, (B, clip figures), standardised.
        taught: float32, (B, logits), of the teacher, standardised.
    """

    bands: Tensor
    frames: Tensor
    figures: Tensor
    taught: Tensor


def standardise(figures: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Zero mean and unit variance over all voices, outliers cut off: (N, figures) each."""
    every = np.concatenate(figures)
    mean, std = every.mean(0), every.std(0) + 1e-4
    return [np.clip((table - mean) / std, -LIMIT, LIMIT).astype(np.float32) for table in figures]


class Batches:
    """Batches by step: with the same seed, the same step gives the same batch.

    Args:
        clips: N clips.
        voices: For each voice, int16, (samples,) each, 16 kHz, of the clips.
        described: For each voice, what is known of them.
        recipe: Settings.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        voices: Sequence[Sequence[NDArray[np.int16]]],
        described: Sequence[Described],
        recipe: Recipe,
    ) -> None:
        self.recipe = recipe
        self.count = len(clips)
        self.pools = [BandPool(v, d.pitch) for v, d in zip(voices, described, strict=True)]
        size = Counter(clip.corpus for clip in clips)
        weights = [size[clip.corpus] ** (recipe.draw_power - 1) for clip in clips]
        self._weight = torch.tensor(weights, dtype=torch.float64)
        self._by_length = [torch.argsort(pool.size, stable=True) for pool in self.pools]
        figures = standardise([d.figures for d in described])
        taught = standardise(teach(clips, figures, recipe.corpus_power))
        self._figures, self._taught = (
            torch.from_numpy(np.stack(figures)),
            torch.from_numpy(np.stack(taught)),
        )

    def __call__(self, step: int) -> Batch:
        """The batch of one step; the voices take turns."""
        g = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + step)
        voice = step % len(self.pools)
        pool = self.pools[voice]
        by_length = self._by_length[voice]
        weight = self._weight[by_length]
        anchor = int(torch.multinomial(weight, 1, generator=g))
        first = max(0, min(self.count - NEIGHBOURS, anchor - NEIGHBOURS // 2))
        near = slice(first, first + NEIGHBOURS)
        drawn = torch.multinomial(weight[near], self.recipe.batch, replacement=True, generator=g)
        rows = by_length[near][drawn]
        frames = min(max(int(pool.size[rows].max()), SHORTEST), LONGEST)
        if torch.rand((), generator=g) < self.recipe.silent:
            frames += int(torch.randint(MOST_SILENCE, (), generator=g))
        if torch.rand((), generator=g) < self.recipe.long_silent:
            frames += int(torch.randint(LONG_SILENCE, (), generator=g))
            rows = rows[: len(rows) // 2]
        bands, pitch = pool.crops(rows, frames, g)
        bands = change_microphone(bands, g)
        targets = frame_targets(bands, pitch)
        figures, taught = self._figures[voice, rows], self._taught[voice, rows]
        return Batch(add_noise(self._degraded(bands, g), g), targets, figures, taught)

    def _degraded(self, bands: Tensor, g: torch.Generator) -> Tensor:
        recipe = self.recipe
        if recipe.rooms:
            bands = degrade.in_rooms(bands, recipe.rooms, g)
        if recipe.noisy:
            bands = degrade.with_noise(bands, recipe.noisy, g)
        if recipe.phone:
            bands = degrade.by_telephone(bands, recipe.phone, g)
        return bands


class Trainer:
    """Network, averaged network, readouts and optimiser of one run.

    Args:
        batches: Where the batches come from.
        recipe: Settings.
    """

    def __init__(self, batches: Batches, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        self.batches, self.recipe = batches, recipe
        self.step, self.elapsed_s = 0, 0.0
        self.model = BandNetwork(mini_config())
        self.model.alibi_scale.requires_grad_(False)  # lets attention take its fast path
        self.model.convs[0].get_parameter("weight").requires_grad_(False)  # stays mel filters
        self.model.head.requires_grad_(False)  # fitted afterwards
        start(self.model, batches.pools[0].loudness())
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        some = batches(-1)
        every = some.frames.flatten(0, 1)
        self._mean, self._std = every.mean(0), every.std(0) + MINIMUM_STD
        self.readouts = nn.ModuleList(
            nn.Linear(self.model.config.embed_dim, figures)
            for figures in (some.frames.shape[2], some.figures.shape[1], some.taught.shape[1])
        )
        self._trained = [p for p in self.model.parameters() if p.requires_grad]
        self._trained += self.readouts.parameters()
        self.optimizer = torch.optim.AdamW(
            self._trained, recipe.learning_rate, (0.9, 0.98), weight_decay=recipe.weight_decay
        )

    def losses(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Mean squared errors of frames, their means, recordings' figures and the teacher."""
        features = self.model(batch.bands)  # (B, T / 4, D)
        targets = self.align(batch.frames, features.shape[1])
        targets = (targets - self._mean) / self._std
        by_frame, by_clip, by_teacher = self.readouts
        found, mean = by_frame(features), features.mean(1)
        return (
            F.mse_loss(found, targets),
            F.mse_loss(found.mean(1), targets.mean(1)),
            F.mse_loss(by_clip(mean), batch.figures),
            F.mse_loss(by_teacher(mean), batch.taught),
        )

    def align(self, frames: Tensor, count: int) -> Tensor:
        """Means of what lies in the middle of what each of ``count`` features hears: (B, count, …).

        Args:
            frames: (B, T, figures), 100 a second.
            count: Features of T frames.
        """
        config = self.model.config
        hop = config.hop_samples // HOP
        first = (frame_count(config.receptive_field_samples) - hop) // 2
        own = frames[:, first : first + hop * count]
        return own.reshape(len(own), count, hop, -1).mean(2)

    @property
    def steps(self) -> int:
        """Length of the schedule."""
        return round(self.recipe.epochs * self.batches.count / self.recipe.batch)

    def _learning_rate(self) -> float:
        warm = min(1.0, (self.step + 1) / self.recipe.warmup_steps)
        cosine = 0.51 + 0.49 * math.cos(math.pi * self.step / self.steps)
        return self.recipe.learning_rate * warm * cosine

    def train_step(self, batch: Batch) -> float:
        """One step of the optimiser and of the average; returns the loss."""
        recipe = self.recipe
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        self.model.train()
        frames, means, clips, taught = self.losses(batch)
        local = recipe.frame_weight * frames + recipe.mean_weight * means
        loss = local + recipe.clip_weight * clips + recipe.teacher_weight * taught
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._trained, 2.0)
        self.optimizer.step()
        self.step += 1
        decay = min(recipe.ema_decay, self.step / (9 + self.step))
        with torch.no_grad():
            pairs = zip(self.average.parameters(), self.model.parameters(), strict=True)
            for slow, fast in pairs:
                slow.lerp_(fast, 1 - decay)
        return float(loss.detach())

    def run(self, checkpoint: Path, every_s: float = 120.0) -> None:
        """Trains to the end of the schedule, and saves a training checkpoint now and then."""
        started_s, saved_s, total, count = time.monotonic() - self.elapsed_s, 0.0, 0.0, 0
        with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as ahead:
            coming = ahead.submit(self.batches, self.step)
            while self.step < self.steps:
                batch = coming.result()
                coming = ahead.submit(self.batches, self.step + 1)
                total, count = total + self.train_step(batch), count + 1
                self.elapsed_s = time.monotonic() - started_s
                if self.elapsed_s - saved_s > every_s:
                    self.save(checkpoint)
                    line = "%.1f min, step %d of %d, loss %.3f"
                    logger.info(line, self.elapsed_s / 60, self.step, self.steps, total / count)
                    saved_s, total, count = self.elapsed_s, 0.0, 0
        self.save(checkpoint)

    def result(self) -> Emotion2vec:
        """The averaged network as it is shipped, but for its head: on waveforms, at 50 Hz."""
        return at_fifty_hz(self.average)

    def save(self, path: Path) -> None:
        """Writes all that `load` needs to go on; the file is replaced at once."""
        temporary = path.with_suffix(".tmp")
        state = {
            "recipe": asdict(self.recipe),
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "readouts": self.readouts.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        torch.save(state, temporary)
        temporary.replace(path)

    def load(self, path: Path) -> None:
        """Goes on from a training checkpoint.

        Raises:
            ValueError: It was written with another recipe.
        """
        state = torch.load(path, weights_only=True)
        if state["recipe"] != asdict(self.recipe):
            raise ValueError(f"{path} has {state['recipe']}, this run {asdict(self.recipe)}")
        self.step, self.elapsed_s = state["step"], state["elapsed_s"]
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.readouts.load_state_dict(state["readouts"])
        self.optimizer.load_state_dict(state["optimizer"])
