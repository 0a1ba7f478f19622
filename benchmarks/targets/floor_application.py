"""The floor: a bare ASGI application that gives one constant answer.

It reads nothing and decides nothing. Started as a program of its own, with the port and a file
that holds the answer, under the uvicorn configuration that Keytrail uses.
"""

import json
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

from api.main import configuration
from api.settings import load

Message = MutableMapping[str, Any]
Application = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]


def constant(headers: list[tuple[bytes, bytes]], body: bytes) -> Application:
    """An application that answers 200 with these headers and this body."""
    start = {"type": "http.response.start", "status": 200, "headers": headers}
    rest = {"type": "http.response.body", "body": body}

    async def application(
        _scope: Message,
        _receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        await send(start)
        await send(rest)

    return application


def main(port: int, answer_path: Path) -> None:
    """Serve on loopback until the process is asked to end."""
    answer = json.loads(answer_path.read_text(encoding="utf-8"))
    headers = [
        (name.encode("latin-1"), value.encode("latin-1")) for name, value in answer["headers"]
    ]
    application = constant(headers, answer["body"].encode("latin-1"))
    settings = load({"data": answer_path.parent}, environment={}, hostname="floor")
    configured = configuration(application, settings)
    # What Keytrail hands over as a socket of its own.
    configured.host, configured.port = "127.0.0.1", port
    uvloop.run(uvicorn.Server(configured).serve())


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
