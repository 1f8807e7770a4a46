"""docker-compose.yml and the Dockerfiles: valid, and every setting they give exists and is accepted."""

import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from qianqiao_chassis.settings import ServiceSettings
from qianqiao_stack.services import SERVICES

ROOT = Path(__file__).resolve().parents[3]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))


def environment(service: str) -> dict[str, str]:
    """The environment of a service with ``${NAME:-default}`` replaced by the default."""
    given: dict[str, Any] = COMPOSE["services"][service].get("environment", {})
    return {name: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value)) for name, value in given.items()}


def settings_class(service: str) -> type[ServiceSettings]:
    module = importlib.import_module(f"{service}.settings")
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, ServiceSettings)]
    return next(kind for kind in kinds if kind.__module__ == module.__name__)


def test_it_is_a_compose_file() -> None:
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        "docker-compose.yml",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_exists_and_its_value_is_accepted(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = settings_class(service)
    given = environment(service)
    known = {f"QIANQIAO_{name.upper()}" for name in kind.model_fields}
    assert set(given) <= known
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    loaded = kind()
    assert {f"QIANQIAO_{name.upper()}" for name in loaded.model_fields_set} >= set(given)


def test_a_setting_that_does_not_exist_would_be_seen() -> None:
    known = {f"QIANQIAO_{name.upper()}" for name in settings_class("notify").model_fields}
    assert "QIANQIAO_SMTP_HOST" in known
    assert "QIANQIAO_SMTP_HOSTS" not in known


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_has_an_image_of_its_own(service: str) -> None:
    build = COMPOSE["services"][service]["build"]
    assert build["dockerfile"] == f"services/{service}/Dockerfile"
    text = (ROOT / build["dockerfile"]).read_text(encoding="utf-8")
    assert f'ENTRYPOINT ["python", "-m", "{service}"]' in text
    others = set(SERVICES) - {service}
    assert not [other for other in others if f"services/{other}" in text]


@pytest.mark.parametrize("file", [*(f"services/{one}/Dockerfile" for one in SERVICES), "libs/stack/Dockerfile"])
def test_what_an_image_copies_is_there_and_not_ignored(file: str) -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    for source in re.findall(r"^COPY (?!--)(\S+) ", (ROOT / file).read_text(encoding="utf-8"), flags=re.MULTILINE):
        assert (ROOT / source).exists(), source
        assert source not in ignored


def test_dependencies_exist_and_volumes_are_declared() -> None:
    for name, service in COMPOSE["services"].items():
        assert set(service.get("depends_on", {})) <= set(COMPOSE["services"]), name
        named = [one.split(":")[0] for one in service.get("volumes", [])]
        assert set(named) <= set(COMPOSE["volumes"]), name


def test_ports_are_open_to_this_machine_only() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_kafka_is_the_version_that_runs_without_containers() -> None:
    from qianqiao_stack import jars
    from qianqiao_stack.engines import KAFKA_IMAGE, MONGO_IMAGE

    assert COMPOSE["services"]["kafka"]["image"] == KAFKA_IMAGE == f"apache/kafka:{jars.listed()[0]}"
    assert COMPOSE["services"]["mongo"]["image"] == MONGO_IMAGE
