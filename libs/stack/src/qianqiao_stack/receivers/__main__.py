"""``python -m qianqiao_stack.receivers --home FOLDER --smtp-port P --web-port Q``: one process receives everything."""

import argparse
import asyncio
from pathlib import Path

import uvicorn

from qianqiao_stack.home import Home
from qianqiao_stack.keys import Keys
from qianqiao_stack.receivers.inbox import Inbox
from qianqiao_stack.receivers.sms import Gateway
from qianqiao_stack.receivers.smtp import serve_smtp
from qianqiao_stack.receivers.traces import Traces
from qianqiao_stack.receivers.web import application


async def serve(home: Home, *, host: str, smtp_port: int, web_port: int) -> None:
    """Receive until SIGTERM or SIGINT."""
    keys = Keys(home)
    inbox = Inbox(home.path)
    gateway = Gateway(inbox, keys.credentials("sms"))
    smtp = await serve_smtp(inbox, smtp_port, keys.server_certificate, keys.credentials("smtp"), host)
    app = application(inbox, Traces(), gateway, keys.jwks_file)
    config = uvicorn.Config(app, host=host, port=web_port, access_log=False, log_level="warning", lifespan="off")
    try:
        await uvicorn.Server(config).serve()
    finally:
        smtp.close()
        await gateway.close()


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="state folder")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--web-port", type=int, required=True)
    options = parser.parse_args()
    home = Home(options.home).create()
    asyncio.run(serve(home, host=options.host, smtp_port=options.smtp_port, web_port=options.web_port))


if __name__ == "__main__":
    main()
