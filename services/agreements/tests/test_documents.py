"""What is written down about the service is what the code says."""

import json
from pathlib import Path

from agreements.main import SERVICE, compose
from agreements.settings import AgreementsSettings
from qianqiao_chassis import cli
from qianqiao_chassis.settings import settings_table

HERE = Path(__file__).parents[1]


def test_the_readme_has_the_settings() -> None:
    table = (
        (HERE / "README.md").read_text(encoding="utf-8").split(f"<!-- settings: python -m {SERVICE} settings -->\n")[1]
    )
    assert table.strip() == settings_table(AgreementsSettings).strip()


def test_reads_json_says_what_is_read(capsys) -> None:
    assert cli.main(SERVICE, AgreementsSettings, compose, ["subscriptions"]) == 0
    assert json.loads((HERE / "reads.json").read_text(encoding="utf-8")) == json.loads(capsys.readouterr().out)
