"""What the routes of the API share."""

from __future__ import annotations

from dataclasses import dataclass

from emotion.api.sources import Sources
from emotion.api.uploads import Uploads
from emotion.api.watch import Watch
from emotion.core.config import Config
from emotion.services.batches import Batches
from emotion.services.recognitions import RecognitionService


@dataclass(frozen=True)
class Context:
    """What the routes of the API share.

    Attributes:
        config: Options.
        service: Runs the recognitions.
        uploads: Where bodies go.
        sources: Finds recordings that bodies name.
        watch: What the server counts.
        batches: Recordings that are recognised behind a request.
    """

    config: Config
    service: RecognitionService
    uploads: Uploads
    sources: Sources
    watch: Watch
    batches: Batches
