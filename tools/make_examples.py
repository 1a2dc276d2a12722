"""Makes the clips of examples/ with espeak-ng, and the two files that say what they are.

    python tools/make_examples.py

Needs ``espeak-ng`` and ``ffmpeg`` on the PATH. The same version of espeak-ng makes the same clips.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

SAMPLE_RATE_HZ = 16_000
PEAK = 10 ** (-3 / 20)  # -3 dBFS
EXAMPLES_DIR = Path(__file__).resolve().parent.parent / "examples"

SENTENCES = {
    "zh": "三点开会，讨论新的计划。",
    "en": "The meeting starts at three o'clock, and everyone has a copy of the plan.",
}
VOICES = {"zh": "cmn", "en": "en-us"}
LANGUAGES = {"zh": ("普通话", "Mandarin"), "en": ("英语", "English")}


@dataclass(frozen=True)
class Manner:
    """How a sentence is spoken.

    Attributes:
        name: Part of the file's name.
        pitch: espeak-ng's ``-p``, 0 to 99.
        words_per_minute: espeak-ng's ``-s``.
        zh: The manner in Chinese.
        en: The manner in English.
    """

    name: str
    pitch: int
    words_per_minute: int
    zh: str
    en: str


MANNERS = (
    Manner("plain", 50, 160, "音高与语速适中", "medium pitch and pace"),
    Manner("low_slow", 10, 145, "音高低、语速慢", "low pitch, slow pace"),
    Manner("high_fast", 90, 220, "音高高、语速快", "high pitch, fast pace"),
    Manner("low_fast", 15, 210, "音高低、语速快", "low pitch, fast pace"),
)


def speak(text: str, voice: str, manner: Manner) -> npt.NDArray[np.float32]:
    """Speech by espeak-ng: float32, (samples,), 16 kHz, with a peak of -3 dBFS."""
    options = ["-v", voice, "-p", str(manner.pitch), "-s", str(manner.words_per_minute)]
    wav = subprocess.run(
        ["espeak-ng", "-b", "1", *options, "--stdout", text],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    resample = ["-f", "f32le", "-ac", "1", "-ar", str(SAMPLE_RATE_HZ), "-"]
    pcm = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", "-", *resample],
        input=wav,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    samples = np.frombuffer(pcm, np.float32)
    scaled: npt.NDArray[np.float32] = (samples * (PEAK / np.abs(samples).max())).astype(np.float32)
    return scaled


def make_examples(folder: Path) -> list[dict[str, str]]:
    """Writes the clips as 16-bit FLAC.

    Returns:
        For each clip its file name and a sentence in Chinese and in English.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for language, text in SENTENCES.items():
        voice = VOICES[language]
        zh, en = LANGUAGES[language]
        for manner in MANNERS:
            file = f"{language}_{manner.name}.flac"
            samples = speak(text, voice, manner)
            soundfile.write(folder / file, samples, SAMPLE_RATE_HZ, subtype="PCM_16")
            pitch, pace = manner.pitch, manner.words_per_minute
            zh_settings = f"音色 {voice}，音高 {pitch}，每分钟 {pace} 词"
            en_settings = f"voice {voice}, pitch {pitch}, {pace} words a minute"
            entries.append(
                {
                    "file": file,
                    "zh": f"{zh}，{manner.zh}；espeak-ng 合成语音（{zh_settings}），"
                    "并非表演的情感。",
                    "en": f"{en}, {manner.en}; synthetic speech by espeak-ng ({en_settings}), "
                    "not an acted emotion.",
                }
            )
    return entries


def readme(entries: list[dict[str, str]]) -> str:
    """The page that goes with the clips."""
    rows = "\n".join(f"| `{entry['file']}` | {entry['en']} |" for entry in entries)
    return f"""# Examples

Short clips to try the product with: 16 kHz, mono, FLAC, peak -3 dBFS. All are **synthetic
speech** made with espeak-ng by `python tools/make_examples.py`, which makes them again. Nobody
acted an emotion: only pitch and pace differ, so there is no right answer to compare a result
with. They show how the product works, not how well it recognises.

Spoken in Mandarin: “{SENTENCES["zh"]}” In English: “{SENTENCES["en"]}”

| file | what it is |
|---|---|
{rows}

`examples.json` holds the same descriptions in Chinese and English. The clips may be used freely.
"""


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Make the example clips with espeak-ng.")
    parser.add_argument("--out", type=Path, default=EXAMPLES_DIR, help="the folder to write")
    folder = parser.parse_args().out
    entries = make_examples(folder)
    listing = json.dumps(entries, ensure_ascii=False, indent=2) + "\n"
    (folder / "examples.json").write_text(listing, encoding="utf-8")
    (folder / "README.md").write_text(readme(entries), encoding="utf-8")
    for entry in entries:
        info = soundfile.info(folder / entry["file"])
        size_kb = (folder / entry["file"]).stat().st_size / 1000
        print(f"{entry['file']}: {info.duration:.1f} s, {size_kb:.0f} kB")


if __name__ == "__main__":
    main()
