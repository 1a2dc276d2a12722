"""A typed client of the REST API, for other programs: `Client` and `AsyncClient`.

It imports neither torch nor Gradio.
"""

from emotion.client.asynchronous import AsyncClient
from emotion.client.calls import Recording, ServerPath
from emotion.client.results import ApiError, Finished, Job, Recognition, Similarity
from emotion.client.sync import Client
from emotion.storage.run_index import RunSummary

__all__ = [
    "ApiError",
    "AsyncClient",
    "Client",
    "Finished",
    "Job",
    "Recognition",
    "Recording",
    "RunSummary",
    "ServerPath",
    "Similarity",
]
