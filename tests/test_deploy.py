"""The files in ``deploy/`` name what exists, and agree with the server."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from emotion.core.config import AudioConfig, Config, ServerConfig
from emotion.core.paths import PROJECT_DIR

DEPLOY = PROJECT_DIR / "deploy"
FILES = ("Caddyfile", "Dockerfile", "compose.yaml", "emotion2vec.service", "nginx.conf")


def text(name: str) -> str:
    return (DEPLOY / name).read_text("utf-8")


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load(text("compose.yaml"))


def test_the_guide_names_each_file() -> None:
    guide = (PROJECT_DIR / "docs" / "deployment.md").read_text("utf-8")
    assert {path.name for path in DEPLOY.iterdir()} == set(FILES)
    assert all(name in guide for name in FILES)


@pytest.mark.parametrize("name", ["deploy/" + name for name in FILES] + ["docs/deployment.md"])
def test_the_server_knows_each_variable(name: str) -> None:
    known = set(re.findall(r"EMOTION_[A-Z_]+", Config.from_env.__doc__ or ""))
    named = set(re.findall(r"EMOTION_[A-Z_]+", (PROJECT_DIR / name).read_text("utf-8")))
    assert named <= known


def copied() -> list[str]:
    """What the Dockerfile copies from the project."""
    found = re.findall(r"^COPY (?!--from)(.+) \S+$", text("Dockerfile"), re.MULTILINE)
    return [name for line in found for name in line.split()]


def test_what_the_image_copies_exists_and_is_not_ignored() -> None:
    rules = (PROJECT_DIR / ".dockerignore").read_text("utf-8").splitlines()
    rules = [rule for rule in rules if rule and not rule.startswith("#")]
    assert len(copied()) == 6
    for name in copied():
        assert (PROJECT_DIR / name).exists()
        ignored = False
        for rule in rules:
            if fnmatch.fnmatch(name, rule.removeprefix("!").removeprefix("**/")):
                ignored = not rule.startswith("!")
        assert not ignored, name


def test_the_image_has_all_that_the_wheel_needs() -> None:
    roots = {Path(name).parts[0] for name in copied()}
    assert {"emotion", "models", "examples", "pyproject.toml", "README.md"} <= roots


def test_the_image_runs_as_nobody_special_and_tells_its_health() -> None:
    lines = text("Dockerfile").splitlines()
    user, entry = lines.index("USER emotion"), lines.index('ENTRYPOINT ["emotion"]')
    assert user < entry and not any(line.startswith("USER root") for line in lines)
    assert any("/healthz" in line for line in lines)
    bases = [line.split()[1] for line in lines if line.startswith("FROM")]
    assert len(set(bases)) == 1 and "latest" not in bases[0]
    volumes = re.search(r"VOLUME (\[.+\])", text("Dockerfile"))
    assert volumes is not None
    assert yaml.safe_load(volumes[1]) == re.findall(r"EMOTION_\w+_DIR=(\S+)", text("Dockerfile"))


def test_both_services_are_protected(compose: Any) -> None:
    assert {name: s["profiles"] for name, s in compose["services"].items()} == {
        "cpu": ["cpu"],
        "gpu": ["gpu"],
    }
    for service in compose["services"].values():
        assert service["ports"] == [f"127.0.0.1:{ServerConfig.port}:{ServerConfig.port}"]
        assert service["restart"] == "unless-stopped" and service["cap_drop"] == ["ALL"]
        environment = service["environment"]
        files = {environment["EMOTION_API_KEY_FILE"], environment["EMOTION_AUTH_FILE"]}
        assert files == {f"/run/secrets/{name}" for name in service["secrets"]}
        assert set(service["secrets"]) == set(compose["secrets"])
        volumes = {volume.split(":")[0]: volume.split(":")[1] for volume in service["volumes"]}
        assert set(volumes) == set(compose["volumes"])
        assert all(path in text("Dockerfile") for path in volumes.values())
    gpu = compose["services"]["gpu"]
    assert gpu["build"]["args"] == {"TORCH_INDEX_URL": ""}


@pytest.mark.parametrize(
    ("name", "size"), [("nginx.conf", r"client_max_body_size (\d+)m"), ("Caddyfile", r"(\d+)MB")]
)
def test_proxies_leave_the_limits_to_the_server(name: str, size: str) -> None:
    written = text(name)
    assert f"127.0.0.1:{ServerConfig.port}" in written
    most = re.search(size, written)
    assert most is not None
    assert int(most[1]) * 10**6 > AudioConfig().max_upload_bytes
    waits_s = [int(found) for found in re.findall(r"timeout (\d+)s", written)]
    assert waits_s and min(waits_s) > ServerConfig().request_timeout_s


def test_the_unit_lets_the_server_write_where_it_is_told_to() -> None:
    unit = text("emotion2vec.service")
    state = re.search(r"^StateDirectory=(.+)$", unit, re.MULTILINE)
    assert state is not None and "ProtectSystem=strict" in unit
    folders = {f"/var/lib/{name}" for name in state[1].split()}
    assert set(re.findall(r"^Environment=EMOTION_\w+_DIR=(\S+)$", unit, re.MULTILINE)) <= folders
    assert "NoNewPrivileges=yes" in unit and "Restart=on-failure" in unit
