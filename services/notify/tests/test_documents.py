"""What is written down about the service is what the code says."""

import json
from pathlib import Path

import pytest
from notify.main import compose
from notify.settings import NotifySettings
from pydantic import ValidationError
from qianqiao_chassis import cli
from qianqiao_chassis.settings import settings_table

HERE = Path(__file__).parents[1]
MARK = "<!-- settings: python -m notify settings -->\n"


def test_the_readme_has_the_settings() -> None:
    table = (HERE / "README.md").read_text(encoding="utf-8").split(MARK)[1]
    assert table.strip() == settings_table(NotifySettings).strip()


def test_reads_json_says_what_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main("notify", NotifySettings, compose, ["subscriptions"]) == 0
    assert json.loads((HERE / "reads.json").read_text(encoding="utf-8")) == json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"smtp_host": "mail.example.cn"}, "mail_from"),
        ({"mail_from": "not an address"}, "mail_from: 邮箱地址"),
        ({"smtp_tls": "none", "smtp_username": "notify"}, "clear"),
        ({"receipt_base_url": "http://notify:8000"}, "receipt_key"),
        ({"receipt_base_url": "http://notify:8000", "receipt_key": "short"}, "16"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        NotifySettings(**given, _env_prefix="NOT_READ_")  # type: ignore[arg-type]
