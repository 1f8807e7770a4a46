"""The embedded document store as a process: ``python -m qianqiao_stack.mongoeco_server --port P [--path FILE]``.

Without ``--path`` it keeps everything in memory. It answers the MongoDB wire protocol on 127.0.0.1.
"""

import argparse
import asyncio
import signal

from mongoeco.wire import AsyncMongoEcoProxyServer


async def serve(port: int, path: str | None) -> None:
    """Serve until SIGTERM or SIGINT; a durable engine has every acknowledged write on disk at any moment."""
    from mongoeco.engines import MemoryEngine, SQLiteEngine

    engine = SQLiteEngine(path) if path else MemoryEngine()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    server = AsyncMongoEcoProxyServer(engine=engine, host="127.0.0.1", port=port)
    await server.start()
    try:
        await ended.wait()
    finally:
        await server.close()


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", help="SQLite file; in memory without it")
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.path))


if __name__ == "__main__":
    main()
