"""One training run: batches that depend on seed and progress, loss, steps, checkpoints."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from emotion.labels import LABELS
from emotion.model import Block, Emotion2vec
from tools.mini.bands import BANDS, HOP, BandPool, augment
from tools.mini.data import Clip, sampling_weights
from tools.mini.network import BandNetwork, at_fifty_hz, channel_dropout, mini_config, start

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """Everything that a run's result depends on besides its clips.

    Attributes:
        seed: Of all randomness but that of the voices.
        epochs: Length of the schedule in passes over as many clips as there are.
        batch: Clips in a step.
        learning_rate: Highest, after the warm-up.
        warmup_steps: Steps until then.
        weight_decay: On matrices.
        ema_decay: Of the averaged weights, which are the result.
        dropout: Of channels, after projection, attention and MLP.
        label_smoothing: Share of a target that goes to all other labels.
        late: Progress from which crops are long and some are joined.
        joined: Share of such a batch that is two clips one after the other.
        tail_epochs: Passes after the schedule, with what makes the frame scores local.
        tail_learning_rate: Highest in the tail.
        tail_joined: `joined` in the tail.
        tail_part_weight: `part_weight` in the tail.
        tail_alibi: Scale of the attention bias in the tail; it was 1 before.
        mixup: Parameter of the beta distribution of the shares of two clips laid over each other.
        part_weight: Weight of the loss on the parts of a crop against the loss on all of it.
        corpus_power: See `sampling_weights`.
        voices: Voices of every clip, its own among them.
    """

    seed: int = 0
    epochs: float = 72.0
    batch: int = 32
    learning_rate: float = 1.5e-3
    warmup_steps: int = 200
    weight_decay: float = 0.05
    ema_decay: float = 0.999
    dropout: float = 0.1
    label_smoothing: float = 0.1
    late: float = 0.7
    joined: float = 0.25
    tail_epochs: float = 6.0
    tail_learning_rate: float = 4e-4
    tail_joined: float = 0.5
    tail_part_weight: float = 1.0
    tail_alibi: float = 3.0
    mixup: float = 0.3
    part_weight: float = 0.3
    corpus_power: float = 0.3
    voices: int = 5


SHORT_FRAMES = (126, 234)  # at 100 a second
LONG_FRAMES = (160, 300)


@dataclass(frozen=True)
class Batch:
    """Crops of one length; a target for what is before and one for what is after a cut.

    Attributes:
        bands: float32, (B, T, 2 * BANDS), 100 frames a second.
        cut: int64, (B,), frames.
        targets: float32, (2, B, labels).
        part_weight: Weight of the loss on the parts.
    """

    bands: Tensor
    cut: Tensor
    targets: Tensor
    part_weight: float


class Batches:
    """Batches by step and progress: with the same seed, the same ones give the same batch.

    Args:
        clips: N clips to train on.
        voices: For each voice, int16, (samples,) each, 16 kHz, of the clips.
        recipe: Settings.
    """

    def __init__(
        self, clips: Sequence[Clip], voices: Sequence[Sequence[NDArray[np.int16]]], recipe: Recipe
    ) -> None:
        self.recipe = recipe
        self.count = len(clips)
        self.pools = [BandPool(recordings) for recordings in voices]
        self._weights = torch.from_numpy(sampling_weights(clips, recipe.corpus_power))
        self._labels = torch.tensor([clip.label for clip in clips])

    def __call__(self, step: int, progress: float) -> Batch:
        """The batch of one step at some progress of the schedule."""
        recipe, late, tail = self.recipe, progress >= self.recipe.late, progress >= 1
        g = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
        shortest, longest = LONG_FRAMES if late else SHORT_FRAMES
        frames = int(torch.randint(shortest, longest + 1, (), generator=g))
        rows = torch.multinomial(self._weights, recipe.batch, True, generator=g)
        voice = torch.randint(len(self.pools), rows.shape, generator=g)
        bands = torch.zeros(recipe.batch, frames, 2 * BANDS)
        for number, pool in enumerate(self.pools):
            own = voice == number
            bands[own] = pool.crops(rows[own], frames, g)
        first = F.one_hot(self._labels[rows], len(LABELS)).float()
        second = first.clone()
        share = 0.35 + 0.3 * torch.rand(rows.shape, generator=g)
        cut = (frames * share).long()
        share_joined = recipe.tail_joined if tail else recipe.joined
        joined = int(share_joined * recipe.batch) if late else 0
        if joined:
            other = torch.randint(joined, recipe.batch, (joined,), generator=g)
            before = torch.arange(frames) < cut[:joined, None]
            bands[:joined] = torch.where(before[..., None], bands[:joined], bands[other])
            second[:joined] = first[other]
        bands, targets = augment(bands, g), torch.stack([first, second])
        if recipe.mixup:
            bands, targets = self._mix(bands, targets, joined, g)
        weight = recipe.tail_part_weight if tail else recipe.part_weight
        return Batch(bands, cut, targets, weight)

    def _mix(
        self, bands: Tensor, targets: Tensor, joined: int, g: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        # Clips that are not joined, each under another of them that is no louder.
        alone = torch.arange(joined, len(bands))
        other = alone[torch.randperm(len(alone), generator=g)]
        seed = int(torch.randint(2**31, (), generator=g))
        draws = np.random.default_rng(seed).beta(self.recipe.mixup, self.recipe.mixup, len(alone))
        share = torch.from_numpy(np.maximum(draws, 1 - draws)).float()[:, None]
        mixed, mixed_targets = bands.clone(), targets.clone()
        gain, other_gain = share[..., None].sqrt(), (1 - share)[..., None].sqrt()
        mixed[alone] = bands[alone] * gain + bands[other] * other_gain
        mixed_targets[:, alone] = targets[:, alone] * share + targets[:, other] * (1 - share)
        return mixed, mixed_targets


def loss_of(model: Emotion2vec, batch: Batch, recipe: Recipe) -> Tensor:
    """Cross-entropy of the whole crop's logits, and of the mean frame logits of its two parts."""
    features = model(batch.bands)  # (B, T, D)
    frames = features.shape[1]
    centre = (torch.arange(frames) + 0.5) * model.config.hop_samples / HOP
    before = (centre < batch.cut[:, None]).float()[..., None]  # (B, T, 1)
    share = before.mean(1)  # (B, 1)
    first = (features * before).sum(1) / (share * frames)
    second = (features * (1 - before)).sum(1) / ((1 - share) * frames)
    logits = model.head(torch.stack([features.mean(1), first, second]))  # (3, B, labels)
    whole = batch.targets[0] * share + batch.targets[1] * (1 - share)
    targets = torch.cat([whole[None], batch.targets])
    known = torch.ones(len(LABELS)) / (len(LABELS) - 1)
    known[-1] = 0.0  # "unknown" is never a target
    targets = targets * (1 - recipe.label_smoothing) + known * recipe.label_smoothing
    losses = -(targets * logits.log_softmax(-1)).sum(-1)  # (3, B)
    parts = losses[1] * share[:, 0] + losses[2] * (1 - share[:, 0])
    loss: Tensor = losses[0].mean() + batch.part_weight * parts.mean()
    return loss


class Trainer:
    """Network, averaged network and optimiser of one run.

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
        start(self.model, batches.pools[0].loudness())
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        hook = channel_dropout(recipe.dropout)
        self.model.project.register_forward_hook(hook)
        for block in (cast(Block, module) for module in self.model.blocks):
            block.out.register_forward_hook(hook)
            block.fc2.register_forward_hook(hook)
        self._trained = [p for p in self.model.parameters() if p.requires_grad]
        matrices = [p for p in self._trained if p.ndim > 1]
        groups = [
            {"params": matrices, "weight_decay": recipe.weight_decay},
            {"params": [p for p in self._trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98))

    @property
    def progress(self) -> float:
        """Share of the schedule that is done; 1 and more in the tail."""
        return self.step * self.recipe.batch / (self.recipe.epochs * self.batches.count)

    @property
    def _end(self) -> float:
        return 1.0 + self.recipe.tail_epochs / self.recipe.epochs

    def _learning_rate(self) -> float:
        recipe, progress = self.recipe, self.progress
        if progress >= 1:
            left = max(0.0, self._end - progress) / (self._end - 1)
            return recipe.tail_learning_rate * left
        warm = min(1.0, (self.step + 1) / recipe.warmup_steps)
        return recipe.learning_rate * warm * (0.51 + 0.49 * math.cos(math.pi * progress))

    def train_step(self, batch: Batch) -> float:
        """One step of the optimiser and of the average; returns the loss."""
        torch.manual_seed(self.recipe.seed * 1_000_003 + self.step)  # of dropout
        if self.progress >= 1:
            for network in (self.model, self.average):
                network.alibi_scale.detach().fill_(self.recipe.tail_alibi)
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        self.model.train()
        loss = loss_of(self.model, batch, self.recipe)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._trained, 1.0)
        self.optimizer.step()
        self.step += 1
        decay = min(self.recipe.ema_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            pairs = zip(self.average.parameters(), self.model.parameters(), strict=True)
            for slow, fast in pairs:
                slow.lerp_(fast, 1 - decay)
        return float(loss.detach())

    def run(self, checkpoint: Path, every_s: float = 120.0) -> None:
        """Trains to the end of the schedule, and saves a training checkpoint now and then."""
        started_s, saved_s, total, count = time.monotonic() - self.elapsed_s, 0.0, 0.0, 0
        with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as ahead:
            coming = ahead.submit(self.batches, self.step, self.progress)
            while self.progress < self._end:
                batch = coming.result()
                coming = ahead.submit(self.batches, self.step + 1, self.progress)
                total, count = total + self.train_step(batch), count + 1
                self.elapsed_s = time.monotonic() - started_s
                if self.elapsed_s - saved_s > every_s:
                    self.save(checkpoint)
                    epoch = self.step * self.recipe.batch / self.batches.count
                    line = "%.1f min, step %d, epoch %.1f, loss %.3f"
                    logger.info(line, self.elapsed_s / 60, self.step, epoch, total / count)
                    saved_s, total, count = self.elapsed_s, 0.0, 0
        self.save(checkpoint)

    def result(self) -> Emotion2vec:
        """The averaged network as it is shipped: on waveforms, 50 frames a second."""
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
        self.optimizer.load_state_dict(state["optimizer"])
