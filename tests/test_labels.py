"""The nine emotions: names, tokens, and colours that everybody can tell apart."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.core.labels import BY_ID, EMOTIONS, LABELS, parse_token

# The surfaces that the pictures are drawn on: --surface in emotion/ui/static/style.css.
SURFACES = {"light": "#ffffff", "dark": "#14181d"}

# Machado, Oliveira and Fernandes 2009, "A Physiologically-based Model for Simulation of Color
# Vision Deficiency", table 1, severity 1.0; they act on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
# Smallest difference in CIE Lab (CIE 1976) between any two; about 2 is just noticeable.
LEAST = {"normal": 25.0, "protanopia": 18.0, "deuteranopia": 18.0, "tritanopia": 15.0}
# IEC 61966-2-1: linear sRGB to XYZ.
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


def linear(colour: str) -> NDArray[np.float64]:
    """float64, (3,): the colour in linear RGB."""
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64, (3,): linear RGB in CIE Lab under D65."""
    xyz = TO_XYZ @ rgb / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def luminance(colour: str) -> float:
    return float(TO_XYZ[1] @ linear(colour))


def contrast(a: str, b: str) -> float:
    """WCAG 2 contrast ratio."""
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_lab_and_contrast_on_known_values() -> None:
    assert lab(linear("#ffffff")) == pytest.approx([100, 0, 0], abs=0.01)
    assert lab(linear("#ff0000")) == pytest.approx([53.24, 80.09, 67.20], abs=0.05)
    assert contrast("#000000", "#ffffff") == pytest.approx(21, abs=1e-4)


@pytest.mark.parametrize("vision", VISION)
def test_every_two_colours_can_be_told_apart(vision: str) -> None:
    seen = {e.id: lab(np.clip(VISION[vision] @ linear(e.colour), 0, 1)) for e in EMOTIONS}
    for (name, one), (other, two) in combinations(seen.items(), 2):
        difference = float(np.linalg.norm(one - two))
        assert difference >= LEAST[vision], f"{name} and {other}: {difference:.1f}"


@pytest.mark.parametrize("surface", SURFACES.values(), ids=SURFACES)
def test_every_colour_stands_out_from_the_page(surface: str) -> None:
    for emotion in EMOTIONS:
        assert contrast(emotion.colour, surface) >= 3, emotion.id


def test_order_ids_and_names() -> None:
    assert LABELS == (
        "angry", "disgusted", "fearful", "happy", "neutral", "other", "sad", "surprised", "unknown",
    )  # fmt: skip
    assert "".join(e.emoji for e in EMOTIONS) == "😠🤢😨😊😐🤔😢😲❓"
    assert " ".join(e.zh for e in EMOTIONS) == "愤怒 厌恶 恐惧 快乐 中性 其他 悲伤 惊讶 未知"
    assert [e.en.lower() for e in EMOTIONS] == list(LABELS)
    assert all(BY_ID[e.id] is e for e in EMOTIONS)


@pytest.mark.parametrize(
    ("token", "label"),
    [
        ("生气/angry", "angry"),
        ("中立/neutral", "neutral"),
        ("happy", "happy"),
        ("Sad", "sad"),
        ("<unk>", "unknown"),
        ("unuse_0", None),
    ],
)
def test_tokens_of_checkpoints(token: str, label: str | None) -> None:
    assert parse_token(token) == label


def test_a_token_of_another_model_is_refused() -> None:
    with pytest.raises(ValueError, match="bored"):
        parse_token("bored")
