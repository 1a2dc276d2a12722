"""The models that are known by name: where they come from, how large they are, their licence.

What is known about the files was read from the hubs' public pages, not from the files themselves:

- Sizes are approximate. The pages show 1.95 GB for large and 1.12 GB for base; seed has base's
  shape, so its size is assumed to be base's. They are for people and for a first look at the disk;
  a download is checked against the size that the hub announces.
- No checksum is known here. A download is checked against the SHA-256 that the hub announces.
- On ModelScope the branch ``master`` is asked for by name: without a revision an older tag with
  five instead of nine labels may be chosen (ddlBoJack/emotion2vec, issue 45).
"""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT = "emotion2vec_plus_large"
EMBEDDED = "emotion2vec_mini"

_FILES = (
    "config.yaml",
    "tokens.txt",
    "configuration.json",
    "README.md",
    "example/test.wav",
    "model.pt",
)
_NEEDED = ("config.yaml", "tokens.txt", "model.pt")
_CLASSIFIER_FILES = ("config.json", "preprocessor_config.json", "pytorch_model.bin")
_FUNASR_LICENCE = "FunASR Model Open Source License Agreement"
_FUNASR_LICENCE_URL = "https://github.com/modelscope/FunASR/blob/main/MODEL_LICENSE"


@dataclass(frozen=True)
class KnownModel:
    """One model that can be asked for by name.

    Attributes:
        name: What users type; also its folder's name below the models folder.
        title: What people read.
        modelscope_id: Repository on ModelScope, or None.
        modelscope_revision: Branch or tag there.
        huggingface_id: Repository on Hugging Face, or None.
        huggingface_revision: Branch, tag or commit there.
        size_bytes: About how much a download transfers; 0 when nothing is downloaded.
        licence: Name of the weights' licence.
        licence_url: Its text.
        languages: What it was trained on, as far as its authors say.
        files: What is downloaded, in this order; the hub may lack what is not needed.
        needed: Those that loading needs.
    """

    name: str
    title: str
    modelscope_id: str | None
    modelscope_revision: str
    huggingface_id: str | None
    huggingface_revision: str
    size_bytes: int
    licence: str
    licence_url: str
    languages: str
    files: tuple[str, ...] = _FILES
    needed: tuple[str, ...] = _NEEDED


def _plus(size: str, size_bytes: int) -> KnownModel:
    name = f"emotion2vec_plus_{size}"
    return KnownModel(
        name=name,
        title=f"Emotion2Vec+ {size.capitalize()}",
        modelscope_id=f"iic/{name}",
        modelscope_revision="master",
        huggingface_id=f"emotion2vec/{name}",
        huggingface_revision="main",
        size_bytes=size_bytes,
        licence=_FUNASR_LICENCE,
        licence_url=_FUNASR_LICENCE_URL,
        languages="Chinese, English and others",
    )


def _superb(name: str, title: str, size_bytes: int) -> KnownModel:
    # SUPERB's emotion recognition: four classes of IEMOCAP, from one fold of its actors.
    return KnownModel(
        name=name,
        title=title,
        modelscope_id=None,
        modelscope_revision="",
        huggingface_id=f"superb/{name}",
        huggingface_revision="main",
        size_bytes=size_bytes,
        licence="Apache 2.0",
        licence_url="https://www.apache.org/licenses/LICENSE-2.0",
        languages="English",
        files=("README.md", *_CLASSIFIER_FILES),
        needed=_CLASSIFIER_FILES,
    )


_MINI = KnownModel(
    name=EMBEDDED,
    title="Emotion2Vec Mini",
    modelscope_id=None,
    modelscope_revision="",
    huggingface_id=None,
    huggingface_revision="",
    size_bytes=0,
    licence="CC BY-NC-SA 4.0",
    licence_url="https://creativecommons.org/licenses/by-nc-sa/4.0/",
    languages="English, Polish, German",
)

# In the order in which they are listed to people.
MODELS: dict[str, KnownModel] = {
    model.name: model
    for model in (
        _plus("large", 1_950_000_000),
        _plus("base", 1_120_000_000),
        _plus("seed", 1_120_000_000),
        _MINI,
        _superb("wav2vec2-base-superb-er", "Wav2Vec2 Base, SUPERB ER", 378_000_000),
        _superb("hubert-large-superb-er", "HuBERT Large, SUPERB ER", 1_260_000_000),
    )
}


def find(name: str) -> KnownModel | None:
    """The model of that name or hub id.

    Args:
        name: ``emotion2vec_plus_large``, ``iic/emotion2vec_plus_large``, or
            ``emotion2vec/emotion2vec_plus_large``.

    Returns:
        The model, or None when no model is known by this name.
    """
    for model in MODELS.values():
        if name and name in (model.name, model.modelscope_id, model.huggingface_id):
            return model
    return None
