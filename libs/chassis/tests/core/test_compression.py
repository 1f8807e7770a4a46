"""What a park's Kafka client may compress with must be readable wherever a service runs."""

import tomllib
from pathlib import Path

import pytest
from aiokafka import codec

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize("name", ["gzip", "snappy", "lz4", "zstd"])
def test_every_codec_of_kafka_can_be_read(name: str) -> None:
    assert getattr(codec, f"has_{name}")()


def test_the_services_images_get_the_codecs_too() -> None:
    # Without them the consumer waits for ever at the first compressed record, and nothing but its lag shows it.
    needed = tomllib.loads((ROOT / "libs/chassis/pyproject.toml").read_text())["project"]["dependencies"]
    assert any(one.startswith("aiokafka[lz4,snappy,zstd]==") for one in needed)
    assert "\ncramjam==" in (ROOT / "deploy/services.lock").read_text()
