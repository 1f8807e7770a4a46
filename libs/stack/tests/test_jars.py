"""What the broker is made of, and which Java runs it."""

import hashlib
from contextlib import nullcontext
from pathlib import Path

import pytest
from qianqiao_stack import jars, java
from qianqiao_stack.errors import StackError
from qianqiao_stack.jars import Jar


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "qianqiao" / "kafka" / jars.listed()[0] / "jars"


def test_an_empty_cache_misses_all_and_a_cut_off_file_is_missed_too(cache: Path) -> None:
    _, listed = jars.listed()
    assert jars.missing() == listed
    cut = listed[0]
    (cache / cut.filename).write_bytes(b"x")
    assert cut in jars.missing()
    (cache / cut.filename).write_bytes(b"x" * cut.bytes)
    assert cut not in jars.missing()


def test_a_jar_with_another_digest_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "jars"
    folder.mkdir()
    found = tmp_path / "found"
    found.write_bytes(b"content")
    right = Jar("g:a:1", hashlib.sha256(b"content").hexdigest(), 7)
    jars._adopt(found, right, folder)
    assert (folder / "a-1.jar").read_bytes() == b"content"
    found.write_bytes(b"CONTENT")
    with pytest.raises(StackError) as refusal:
        jars._adopt(found, Jar("g:b:1", right.sha256, 7), folder)
    assert refusal.value.code == "stack-jar-digest"
    assert not (folder / "b-1.jar").exists()


def test_without_a_way_to_the_repository_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import jgo.maven

    monkeypatch.setattr(jgo.maven.PythonResolver, "download", lambda *_: (_ for _ in ()).throw(OSError("no route")))
    with pytest.raises(StackError) as refusal:
        jars.fetch(
            [Jar("org.example:a:1", "0" * 64, 1)], tmp_path / "jars", lambda *_: nullcontext(lambda _count: None)
        )
    assert refusal.value.code == "stack-jars-unreachable"
    assert "QIANQIAO_KAFKA_BOOTSTRAP" in refusal.value.en


def stand_in(folder: Path, answer: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "java"
    file.write_text(f"#!/bin/sh\necho '{answer}' >&2\n")
    file.chmod(0o755)
    return str(file)


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ('openjdk version "25.0.2" 2026-01-20', 25),
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_402"', 8),
        ('openjdk version "21" 2023-09-19', 21),
        ("no java here", None),
    ],
)
def test_versions_are_read_as_java_writes_them(tmp_path: Path, answer: str, version: int | None) -> None:
    assert java.java_version(stand_in(tmp_path, answer)) == version


def test_the_first_one_new_enough_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = stand_in(tmp_path / "old", 'openjdk version "11.0.1"')
    right = stand_in(tmp_path / "home/bin", 'openjdk version "17.0.1"')
    later = stand_in(tmp_path / "path", 'openjdk version "21.0.1"')
    monkeypatch.setenv("QIANQIAO_JAVA", old)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(Path(later).parent))
    monkeypatch.setattr(java, "_packaged", lambda: None)
    assert java.find_java() == java.Java(right, 17, "JAVA_HOME")
    monkeypatch.delenv("JAVA_HOME")
    assert java.find_java() == java.Java(later, 21, "PATH")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(StackError) as none:
        java.find_java()
    assert none.value.code == "stack-no-java"
