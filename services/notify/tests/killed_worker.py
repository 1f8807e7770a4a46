"""A worker process of notify for test_kill.py: plans one message, sends what is due, and is killed on the way.

Arguments: store URL, database, port of the mail server, message class, whether to die before recording the answer.
"""

import asyncio
import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

conftest: Any = import_module("conftest")


async def main(mongo_url: str, database: str, port: str, message_class: str, dies_before_recording: str) -> None:
    settings = conftest._mail_settings(int(port), mongo_database=database)
    async with conftest._service(settings, mongo_url=mongo_url) as harness:
        await conftest.tell_once(harness, message_class)
        if dies_before_recording == "yes":
            sender = harness.chassis.due_work[0].handler.__self__

            async def die(*_: Any) -> None:
                os.kill(os.getpid(), signal.SIGKILL)

            sender._record = die
        await harness.run_due()


asyncio.run(main(*sys.argv[1:]))
