"""What is generated and committed is up to date, and the AsyncAPI document is one."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema
from qianqiao_contracts import TOPICS, TYPES
from qianqiao_contracts.__main__ import main
from qianqiao_contracts.tools.asyncapi import document, types_of
from qianqiao_contracts.tools.page import page
from qianqiao_contracts.tools.readers import Readers

ROOT = Path(__file__).parents[3]
READERS = Readers({"matching": {"qianqiao.NeedPosted.v1": ("title",), "qianqiao.AgreementSigned.v1": ()}})


def test_the_committed_files_are_what_the_models_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(ROOT), "export", "--check"]) == 0, capsys.readouterr().out


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "$ref":
                yield each
            else:
                yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def _resolve(root: dict[str, Any], reference: str) -> Any:
    found: Any = root
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def test_the_document_is_asyncapi_and_all_its_references_lead_somewhere() -> None:
    # faststream's own models of AsyncAPI 3 check the structure here; tests/contracts asks the official parser
    made = document(READERS)
    ApplicationSchema.model_validate(made)
    references = list(_references(made))
    assert len(references) > 200
    for reference in references:
        assert _resolve(made, reference) is not None


def test_there_is_a_message_for_every_type_and_a_channel_for_every_topic() -> None:
    made = document(READERS)
    assert {each["name"] for each in made["components"]["messages"].values()} == set(TYPES)
    assert {each["address"] for each in made["channels"].values()} == set(TOPICS)
    for name, channel in made["channels"].items():
        assert len(channel["messages"]) == len(types_of(TOPICS[name]))


def test_every_schema_in_the_document_is_a_json_schema() -> None:
    for schema in document(READERS)["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_owners_send_and_declared_readers_receive() -> None:
    operations = document(READERS)["operations"]
    assert operations["registry.send.registry.needs"]["action"] == "send"
    assert operations["outside.send.intake.events"]["action"] == "send"
    received = operations["matching.receive.registry.needs"]
    assert received["action"] == "receive"
    assert received["messages"] == [{"$ref": "#/channels/registry.needs/messages/NeedPosted.v1"}]
    assert "matching.receive.registry.results" not in operations


def test_the_page_names_every_type_topic_and_reader() -> None:
    text = page(READERS)
    for name in (*TYPES, *TOPICS):
        assert name in text
    assert "read by: matching" in text
    assert "太早期" in text


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace in a git repository of its own, with everything generated and committed."""
    (tmp_path / "libs/contracts/schemas").mkdir(parents=True)
    assert main(["--root", str(tmp_path), "export"]) == 0
    _git(tmp_path, "init", "-q", "-b", "main")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "-c", "user.name=t", "-c", "user.email=t@example.invalid", "commit", "-q", "-m", "first")
    return tmp_path


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


def _edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def test_drift_is_named_and_repaired(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schemas = workspace / "libs/contracts/schemas"
    (schemas / "qianqiao.NeedPosted.v1.json").write_text("{}", encoding="utf-8")
    (schemas / "qianqiao.Forgotten.v1.json").write_text("{}", encoding="utf-8")
    (workspace / "docs/events.md").unlink()
    assert main(["--root", str(workspace), "export", "--check"]) == 1
    told = capsys.readouterr().out
    for name in ("qianqiao.NeedPosted.v1.json", "qianqiao.Forgotten.v1.json", "docs/events.md"):
        assert name in told
    assert main(["--root", str(workspace), "export"]) == 0
    assert main(["--root", str(workspace), "export", "--check"]) == 0
    assert not (schemas / "qianqiao.Forgotten.v1.json").exists()


def test_only_the_asyncapi_document(workspace: Path) -> None:
    (workspace / "docs/asyncapi.json").write_text("{}", encoding="utf-8")
    (workspace / "docs/events.md").write_text("", encoding="utf-8")
    assert main(["--root", str(workspace), "asyncapi", "--check"]) == 1
    assert main(["--root", str(workspace), "asyncapi"]) == 0
    assert main(["--root", str(workspace), "asyncapi", "--check"]) == 0
    assert main(["--root", str(workspace), "export", "--check"]) == 1


def test_against_the_last_commit_nothing_breaks(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(workspace), "compat"]) == 0
    assert "0 break(s)" in capsys.readouterr().out


def test_a_break_against_an_older_version_fails_with_its_reader(
    workspace: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tmp_path_factory.mktemp("before")
    for path in (workspace / "libs/contracts/schemas").glob("*.json"):
        (before / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")

    def had_a_phone(schema: dict[str, Any]) -> None:
        schema["properties"]["telephone"] = {"type": "string"}

    _edit(before / "qianqiao.NeedPosted.v1.json", had_a_phone)
    services = workspace / "services/notify"
    services.mkdir(parents=True)
    (services / "reads.json").write_text('{"qianqiao.NeedPosted.v1": ["telephone"]}', encoding="utf-8")
    assert main(["--root", str(workspace), "compat", "--against", str(before)]) == 1
    told = capsys.readouterr().out
    assert "qianqiao.NeedPosted.v1 telephone" in told
    assert "breaks: notify" in told
    assert main(["--root", str(workspace), "compat", "--against", str(before), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)[0]["kind"] == "field_removed"


def test_a_break_against_a_git_reference(workspace: Path) -> None:
    old = workspace / "libs/contracts/schemas/qianqiao.NeedPosted.v1.json"

    def was_longer(schema: dict[str, Any]) -> None:
        schema["properties"]["title"]["maxLength"] = 100

    _edit(old, was_longer)
    _git(workspace, "-c", "user.name=t", "-c", "user.email=t@example.invalid", "commit", "-q", "-a", "-m", "longer")
    assert main(["--root", str(workspace), "compat"]) == 1
    assert main(["--root", str(workspace), "compat", "--against", "HEAD"]) == 1
    assert main(["--root", str(workspace), "compat", "--against", "HEAD~1"]) == 0


def test_a_command_that_cannot_work_says_why(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(workspace), "compat", "--against", "no-such-ref"]) == 2
    assert "no-such-ref" in capsys.readouterr().err
    (workspace / "services/bad").mkdir(parents=True)
    (workspace / "services/bad/reads.json").write_text("[]", encoding="utf-8")
    assert main(["--root", str(workspace), "export"]) == 2
    assert "bad/reads.json" in capsys.readouterr().err
