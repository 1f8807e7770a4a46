"""What is sent to OpenSearch, without one."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matching.engine.index import opensearch_layout as layout
from matching.engine.index.opensearch_client import IndexUnavailable, OpenSearchClient
from matching.engine.index.opensearch_opening import open_index
from matching.engine.index.port import Entry, Held, IndexDamagedError, Versions
from matching.settings import MatchingSettings
from qianqiao_stack.process import free_ports

NUMBERS = st.integers(0, 900)
VERSIONS = st.builds(Versions, NUMBERS, NUMBERS, NUMBERS)
LARGE = st.builds(Versions, *[st.integers(0, 2**31)] * 3)


def replaces(new: Versions, old: Versions) -> bool:
    """Newer in one part and older in none. A new content begins its extras anew."""
    parts = ((new.content, new.extra), new.status), ((old.content, old.extra), old.status)
    return parts[0] != parts[1] and all(a >= b for a, b in zip(*parts, strict=True))  # type: ignore[operator]


@given(VERSIONS, VERSIONS)
def test_what_replaces_another_has_the_larger_number(one: Versions, other: Versions) -> None:
    if replaces(one, other):
        assert layout.one_number(one) > layout.one_number(other)


@given(VERSIONS, VERSIONS)
def test_whoever_knows_what_both_know_has_a_number_as_large_as_either(one: Versions, other: Versions) -> None:
    content, extra = max((one.content, one.extra), (other.content, other.extra))
    both = layout.one_number(Versions(content, max(one.status, other.status), extra))
    assert both >= max(layout.one_number(one), layout.one_number(other))


@given(LARGE)
def test_a_number_is_one_that_opensearch_takes(versions: Versions) -> None:
    assert 0 <= layout.one_number(versions) < 2**63


@given(st.text(max_size=400), st.text(max_size=400))
def test_a_term_stands_for_itself_between_spaces(one: str, other: str) -> None:
    written = layout.term_as_written(one)
    assert written.split() == [written]
    assert len(written) < 255
    assert (written == layout.term_as_written(other)) == (one == other)


@given(VERSIONS, st.booleans(), st.binary(max_size=100))
def test_what_is_read_is_what_was_written(versions: Versions, is_open: bool, vector: bytes) -> None:
    entry = Entry("a", versions, is_open, {"甲烷": 2} if is_open else {}, vector if is_open else b"")
    document = layout.document_of(entry)
    document.pop("body", None)  # indexed, not kept
    assert layout.held_of("a", document) == Held("a", versions, is_open, entry.vector)


@pytest.mark.parametrize(
    "source",
    [
        {},
        {"content": 1, "status": 0, "open": True},
        {"content": "x", "status": 0, "extra": 0, "open": True},
        {"content": 1, "status": 0, "extra": 0, "open": True, "vector": "*"},
        {"content": 1, "status": 0, "extra": 0, "open": True, "vector": None},
    ],
)
def test_what_was_not_written_by_us_is_damage(source: dict[str, object]) -> None:
    with pytest.raises(IndexDamagedError):
        layout.held_of("a", source)


def test_another_version_is_another_index_and_a_kind_is_a_word() -> None:
    names = {layout.index_name(kind, baked) for kind in ("needs", "results") for baked in ("v1", "v2")}
    assert len(names) == 4
    assert all(name.startswith(("qianqiao-needs-", "qianqiao-results-")) for name in names)
    with pytest.raises(ValueError, match="kind"):
        layout.index_name("../x", "v1")


@pytest.mark.parametrize("url", ["", "search:9200", "ftp://search:9200", "http://"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        OpenSearchClient(url)


async def test_a_password_is_sent_and_never_told(capsys: pytest.CaptureFixture[str]) -> None:
    port = free_ports(1)[0]
    client = OpenSearchClient(f"http://me:sec%40ret@127.0.0.1:{port}", patience_s=0.3)
    with pytest.raises(IndexUnavailable) as refusal:
        await client.ask("GET", "/")
    assert isinstance(client._http.auth, httpx.BasicAuth)
    told = f"{refusal.value} {refusal.value.detail} {capsys.readouterr().out}"
    assert not any(word in told for word in ("sec@ret", "sec%40ret"))
    assert refusal.value.code == "index-unavailable"
    await client.close()


async def test_without_an_address_the_index_is_elsewhere() -> None:
    assert await open_index(MatchingSettings(opensearch_url=None), "needs", "v1") is None
