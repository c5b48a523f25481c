from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pack_db.checked_paths import checked_socket_path
from pack_db.config import Config
from pack_db.interfaces.account_repo import AccountRepo
from pack_db.interfaces.token_repo import TokenRepo
from pack_db_client.batch import Batch
from pack_db_client.protocol.daemon_service import DAEMON_SERVICE, DaemonService, DaemonStatus
from pack_db_client.protocol.methods import Method
from pack_db_client.protocol.requests import Arguments, encode_call
from pack_db_client.stub import make_stub
from pack_db_client.timeout import checked_timeout
from pack_db_client.transport.channel import Channel

if TYPE_CHECKING:
    from typing_extensions import TypeForm  # type checkers know it without the package

Interface = TypeVar("Interface")


class PackDb:
    """A client of the daemon. Threads may share it; a process may fork with it.

    Every call ends by its timeout. Besides what its interface says it raises:
        NoDaemon, PermissionDenied: nothing was sent.
        CallTimeout: the daemon did not answer in time; nothing was changed.
        OutcomeUnknown: the same, but a write may have been done.
        MessageTooLarge, ClientClosed: nothing was sent.

    Args:
        socket_path: where the daemon listens; by default what the configuration says.
        timeout_s: seconds a call may take; by default what the configuration says.
        config: by default the environment and `.env`.
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
        self._set_up(Channel(path, config.max_message_bytes), timeout_s)

    def service(self, name: str, interface: "TypeForm[Interface]") -> Interface:
        """A service that the daemon serves under `name`, typed as its interface."""
        return make_stub(name, interface, self._caller)

    def with_timeout(self, timeout_s: float) -> "PackDb":
        """This client with another timeout for each call.

        Both share their connections, which are this client's: closing the other does nothing.
        """
        view = object.__new__(type(self))
        view._is_view = True
        view._set_up(self._caller.channel, timeout_s)
        return view

    def batch(self) -> Batch:
        """Calls that travel in one message: `with db.batch() as batch: batch.submit(...)`."""
        return Batch(self._caller.channel, self._caller.timeout_s)

    def ping(self) -> str:
        """The version of pack-db that the daemon runs."""
        return self._daemon.ping()

    def status(self) -> DaemonStatus:
        """What the daemon tells about itself."""
        return self._daemon.status()

    def close(self) -> None:
        """Disconnect, without waiting; a client that is dropped does so by itself.

        Another thread's call that was sent still gets its answer; one that waits for a daemon
        ends with `ClientClosed`.
        """
        if not self._is_view:
            self._caller.channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _set_up(self, channel: Channel, timeout_s: float) -> None:
        # Nothing of it refers to this object: without a cycle it goes as soon as it is dropped.
        self._caller = _ChannelCaller(channel, checked_timeout(timeout_s))
        self.accounts = self.service("accounts", AccountRepo)
        self.tokens = self.service("tokens", TokenRepo)
        self._daemon = self.service(DAEMON_SERVICE, DaemonService)


class _ChannelCaller:
    def __init__(self, channel: Channel, timeout_s: float) -> None:
        self.channel = channel
        self.timeout_s = timeout_s

    def __call__(self, method: Method, arguments: Arguments) -> Any:
        call = encode_call(method.name, arguments)
        [result] = self.channel.round_trip([call], self.timeout_s, has_write=not method.is_query)
        return method.decode_result(result)
