"""The endpoint `POST /`: AWS's JSON protocol, and its Query protocol for forms.

Every exchange becomes one call, whatever its target and body are.
"""

from collections.abc import Awaitable, Callable

from api.call import Call, Reply
from api.wire import aws_json, aws_query
from api.wire.http import (
    Answer,
    Exchange,
    Receive,
    Scope,
    Send,
    receive_exchange,
    send_answer,
)


class Aws:
    """What is neither protocol is refused in the JSON protocol."""

    def __init__(self, run: Callable[[Call], Awaitable[Reply]]) -> None:
        self._run = run

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One exchange through ASGI."""
        reply, answer = await self.answer(await receive_exchange(scope, receive))
        await send_answer(send, reply, answer)

    async def answer(self, exchange: Exchange) -> tuple[Reply, Answer]:
        """What the gate makes of an exchange, and how its dialect writes it."""
        if aws_query.is_query(exchange):
            call = aws_query.parse(exchange)
            reply = await self._run(call)
            return reply, aws_query.render(call, reply)
        reply = await self._run(aws_json.parse(exchange))
        return reply, aws_json.render(reply)
