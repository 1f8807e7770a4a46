"""A real OpenSearch for tests and for trying it."""

import zipfile
from pathlib import Path

import httpx
import pytest
from qianqiao_stack import engines, opensearch
from qianqiao_stack.errors import StackError
from qianqiao_stack.opensearch import OpenSearch


@pytest.mark.opensearch
async def test_it_answers_and_keeps_what_it_held_over_a_kill(opensearch_server: OpenSearch) -> None:
    async with httpx.AsyncClient(base_url=opensearch_server.url, timeout=30) as http:
        assert (await http.get("/")).json()["version"]["number"] == "2.19.1"
        await http.put("/kept/_doc/1", json={"a": 1})
        before = opensearch_server.pid
        opensearch_server.kill9()
        assert not opensearch_server.answering()
        await opensearch_server.start()
        assert opensearch_server.pid != before
        assert (await http.get("/kept/_doc/1")).json()["_source"] == {"a": 1}
        await http.delete("/kept")


def test_it_is_not_started_where_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QIANQIAO_TEST_OPENSEARCH", "no")
    with pytest.raises(StackError, match="QIANQIAO_TEST_OPENSEARCH"), engines.opensearch():
        pass


def test_a_java_without_a_security_manager_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"25.0.2\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setattr("qianqiao_stack.java.candidates", lambda: [(str(java), "PATH")])
    with pytest.raises(StackError) as refusal:
        OpenSearch()
    assert refusal.value.code == "stack-no-java"
    assert "17 to 23" in refusal.value.en


def test_it_listens_on_this_machine_only_and_its_folder_goes_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = tmp_path / "archive.zip"
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("opensearch-0/bin/opensearch", "#!/bin/sh\nexec sleep 60\n")
        file.writestr("opensearch-0/config/log4j2.properties", "")
    monkeypatch.setattr(opensearch, "archive", lambda _progress: packed)
    monkeypatch.setattr(opensearch, "find_java", lambda _newest: opensearch_java())
    server = OpenSearch()
    try:
        assert "network.host: 127.0.0.1" in (server.folder / "config/opensearch.yml").read_text()
        server.launch()
        assert server.running
    finally:
        server.remove()
    assert not server.running
    assert not server.folder.exists()


def opensearch_java() -> object:
    from qianqiao_stack.java import Java

    return Java("/usr/bin/java", 17, "test")
