from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pack_db.checked_paths import checked_socket_path
from pack_db.config import Config
from pack_db.interfaces.account_repo import AsyncAccountRepo
from pack_db.interfaces.token_repo import AsyncTokenRepo
from pack_db_client.protocol.daemon_service import (
    DAEMON_SERVICE,
    AsyncDaemonService,
    DaemonStatus,
)
from pack_db_client.protocol.methods import Method
from pack_db_client.protocol.requests import Arguments, encode_call
from pack_db_client.stub import make_stub
from pack_db_client.timeout import checked_timeout
from pack_db_client.transport.async_channel import AsyncChannel

if TYPE_CHECKING:
    from typing_extensions import TypeForm  # type checkers know it without the package

Interface = TypeVar("Interface")


class AsyncPackDb:
    """`PackDb` for asyncio: the same arguments, and errors as there.

    Calls made while a message is under way travel together in the next one, up to
    `MAX_CALLS_TOGETHER` of them: many tasks cost one round trip and one commit. When more wait,
    two messages are under way at a time, so of calls made at once none is sure to be done first.
    Event loops may share it, also those of different threads: each has connections of its own.
    """

    def __init__(
        self,
        socket_path: Path | str | None = None,
        *,
        timeout_s: float | None = None,
        config: Config | None = None,
    ) -> None:
        config = config or Config()
        if socket_path is None:
            path = config.client_socket_path
        else:
            path = checked_socket_path(socket_path, "socket_path")
        timeout_s = config.timeout_s if timeout_s is None else timeout_s
        self._is_view = False
        self._set_up(AsyncChannel(path, config.max_message_bytes), timeout_s)

    def service(self, name: str, interface: "TypeForm[Interface]") -> Interface:
        """A service that the daemon serves under `name`, typed as its asyncio interface."""
        return make_stub(name, interface, self._caller)

    def with_timeout(self, timeout_s: float) -> "AsyncPackDb":
        """This client with another timeout for each call.

        Both share their connections, which are this client's: closing the other does nothing.
        """
        view = object.__new__(type(self))
        view._is_view = True
        view._set_up(self._caller.channel, timeout_s)
        return view

    async def ping(self) -> str:
        """The version of pack-db that the daemon runs."""
        return await self._daemon.ping()

    async def status(self) -> DaemonStatus:
        """What the daemon tells about itself."""
        return await self._daemon.status()

    async def close(self) -> None:
        """Disconnect at once; a client that is dropped does so by itself.

        What was not sent fails with `ClientClosed`, a write that was sent but not answered with
        `OutcomeUnknown`.
        """
        if not self._is_view:
            await self._caller.channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def _set_up(self, channel: AsyncChannel, timeout_s: float) -> None:
        # Nothing of it refers to this object: without a cycle it goes as soon as it is dropped.
        self._caller = _AsyncChannelCaller(channel, checked_timeout(timeout_s))
        self.accounts = self.service("accounts", AsyncAccountRepo)
        self.tokens = self.service("tokens", AsyncTokenRepo)
        self._daemon = self.service(DAEMON_SERVICE, AsyncDaemonService)


class _AsyncChannelCaller:
    def __init__(self, channel: AsyncChannel, timeout_s: float) -> None:
        self.channel = channel
        self.timeout_s = timeout_s

    async def __call__(self, method: Method, arguments: Arguments) -> Any:
        result = await self.channel.submit(
            encode_call(method.name, arguments), self.timeout_s, has_write=not method.is_query
        )
        return method.decode_result(result)
