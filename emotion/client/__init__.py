"""A typed client of the REST API, for other programs: `Client` and `AsyncClient`.

It imports neither torch nor Gradio.
"""

from emotion.client.asynchronous import AsyncClient
from emotion.client.calls import Recording, ServerPath
from emotion.client.results import ApiError, Finished, Job, Recognition, RunItem, Similarity
from emotion.client.sync import Client

__all__ = [
    "ApiError",
    "AsyncClient",
    "Client",
    "Finished",
    "Job",
    "Recognition",
    "Recording",
    "RunItem",
    "ServerPath",
    "Similarity",
]
