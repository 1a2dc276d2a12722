"""``serve --ray``: replicas of the server on a Ray cluster, behind one address.

Ray Serve starts the replicas, starts them again where they are lost, and shares the requests out.
`emotion.api.replica_routing` has each request answered by the replica that knows of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from emotion.api.patience import allow_many_connections
from emotion.api.replica_routing import TAG_LENGTH, PeerGate, ReplicaRouter
from emotion.core.config import Config
from emotion.core.corpus_errors import ClusterError
from emotion.core.logs import formatter
from emotion.core.memory import few_arenas, few_kernels
from emotion.corpus.ray_cluster import LOCAL, connected, fit
from emotion.corpus.ray_model import ModelFiles, place_model, share_model
from emotion.recognition.opening import StatusHook, find_model
from emotion.server import bind, check_protected, create_app
from emotion.services.model_service import ModelService

logger = logging.getLogger(__name__)

_MOST_REQUESTS: Final = 1000  # of a replica at once; its own queues are much shorter
_KEPT_S: Final = 2.0
_NAME: Final = "emotion"
_ENDING: Final = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class ReplicaPlan:
    """What is asked of a cluster.

    Attributes:
        address: As `emotion.corpus.ray_cluster.connected` takes it.
        replicas: How many.
        cpus: Of each.
        gpus: Of each, 0 or 1.
    """

    address: str
    replicas: int = 2
    cpus: int = 1
    gpus: int = 0


@dataclass(frozen=True)
class Shared:
    """What all replicas know; can be pickled.

    Attributes:
        config: Options.
        model: The checkpoint; None where each node has the embedded one.
        directory: The actor that knows where they are.
        key: What they know each other by.
        loopback: Whether they are all on this machine.
    """

    config: Config
    model: ModelFiles | None
    directory: Any
    key: str
    loopback: bool


class Directory:
    """An actor that knows where the replicas are."""

    def __init__(self) -> None:
        self._addresses: dict[str, str] = {}

    def add(self, tag: str, address: str) -> None:
        """Takes one in."""
        self._addresses[tag] = address

    def remove(self, tag: str) -> None:
        """Takes one away."""
        self._addresses.pop(tag, None)

    def all(self) -> dict[str, str]:
        """Their addresses by their tags."""
        return dict(self._addresses)


class _Peers:
    """Asks the directory, at most every two seconds."""

    def __init__(self, directory: Any) -> None:
        self._directory = directory
        self._known: Mapping[str, str] = {}
        self._asked_at = float("-inf")

    async def addresses(self) -> Mapping[str, str]:
        """See `emotion.api.replica_routing.Peers`."""
        if time.monotonic() - self._asked_at > _KEPT_S:
            self._known = await self._directory.all.remote()
            self._asked_at = time.monotonic()
        return self._known

    async def forget(self, tag: str) -> None:
        """See `emotion.api.replica_routing.Peers`."""
        await self._directory.remove.remote(tag)
        self._asked_at = float("-inf")


def serve_replicas(
    config: Config, plan: ReplicaPlan, on_status: StatusHook = lambda status: None
) -> None:
    """Serves until interrupted.

    Args:
        config: Options.
        plan: What is asked of the cluster.
        on_status: Told the progress of a download.

    Raises:
        ClusterError: The cluster cannot be used, is too small, or serves something already.
        PortInUseError: Another program has the port.
        UnprotectedError: Others reach the server, and nothing protects it.
        ModelError: The model that was asked for is unavailable.
    """
    check_protected(config.server)
    bind(config.server.host, config.server.port).close()  # told before anything is started
    found = find_model(config, on_status)
    with connected(plan.address):
        import ray
        from ray import serve

        fit(plan.replicas, plan.cpus, plan.gpus)
        if serve.status().proxies:  # the end of our replicas would be its end
            raise ClusterError(reason="Ray Serve serves something on it already")
        directory = ray.remote(num_cpus=0)(Directory).remote()
        model = share_model(found.folder) if found.fallback is None else None
        loopback = plan.address == LOCAL
        shared = Shared(_absolute(config), model, directory, secrets.token_hex(32), loopback)
        with _interrupted() as interrupted:
            serve.start(
                http_options={"host": config.server.host, "port": config.server.port},
                logging_config={"log_level": "WARNING", "enable_access_log": False},
            )
            try:
                _run(serve, shared, plan)
                logger.info(
                    "%d replicas on http://%s:%d", plan.replicas, config.server.host,
                    config.server.port,
                )  # fmt: skip
                interrupted.wait()
            finally:
                serve.shutdown()  # type: ignore[no-untyped-call]


def _run(serve: Any, shared: Shared, plan: ReplicaPlan) -> None:
    deployment = serve.deployment(serve.ingress(lambda: build(shared))()).options(
        name=_NAME,
        num_replicas=plan.replicas,
        max_ongoing_requests=_MOST_REQUESTS,
        ray_actor_options={"num_cpus": plan.cpus, "num_gpus": plan.gpus},
        logging_config={"enable_access_log": False},  # would hold query strings
    )
    try:
        serve.run(deployment.bind(), name=_NAME, route_prefix="/")
    except RuntimeError as e:
        raise ClusterError(reason=f"the replicas do not start: {e}") from e


def build(shared: Shared) -> ASGIApp:
    """The app of one replica, in its process."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(shared.config.log_format))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    allow_many_connections()
    few_arenas()
    few_kernels()
    tag = secrets.token_hex(TAG_LENGTH // 2)
    config = _own_config(shared)
    app = create_app(config, ModelService(config, fixed=True), tag)
    listener = bind("127.0.0.1" if shared.loopback else _node_address(), 0)
    server = uvicorn.Server(
        uvicorn.Config(
            PeerGate(app, shared.key),
            lifespan="off",  # the app's own runs already
            log_config=None,
            log_level="warning",
            access_log=False,
            forwarded_allow_ips="*",  # only replicas come here, and they say whom they pass on
        )
    )
    host, port = listener.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    inner = app.router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(outer: FastAPI) -> AsyncIterator[Any]:
        async with inner(outer) as state:
            serving = asyncio.create_task(server.serve([listener]))
            await shared.directory.add.remote(tag, address)
            try:
                yield state
            finally:
                await shared.directory.remove.remote(tag)
                server.should_exit = True
                await serving

    app.router.lifespan_context = lifespan
    cookie = f"emotion_replica_{config.server.port}"
    return ReplicaRouter(app, tag, _Peers(shared.directory), shared.key, cookie)


def _absolute(config: Config) -> Config:
    """The same options for processes with another working directory."""
    server = config.server
    paths = {
        name: path.absolute()
        for name in ("outputs_dir", "input_root", "api_key_file", "auth_file")
        if (path := getattr(server, name)) is not None
    }
    engine = replace(config.engine, models_dir=config.engine.models_dir.absolute())
    return replace(config, engine=engine, server=replace(server, **paths))


def _own_config(shared: Shared) -> Config:
    """The options of a replica: with the model where it lies on this node."""
    if shared.model is None:
        return shared.config
    folder = place_model(shared.model)
    if folder == shared.model.folder:
        return shared.config
    engine = replace(shared.config.engine, model=str(folder), offline=True)
    return replace(shared.config, engine=engine)


def _node_address() -> str:
    import ray

    address: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    return address


@contextlib.contextmanager
def _interrupted() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set."""
    event = threading.Event()
    before = {number: signal.signal(number, lambda *_: event.set()) for number in _ENDING}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
