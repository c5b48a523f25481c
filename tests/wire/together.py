from collections.abc import Iterator, Sequence

import zmq

from pack_db_daemon.dispatch.dispatcher import Dispatcher
from pack_db_daemon.dispatch.queue_statistics import QueueStatistics
from pack_db_daemon.transport.group_commit import GroupCommit
from pack_db_daemon.transport.request_handler import IncomingRequest


def answered_together(
    dispatcher: Dispatcher, messages: Sequence[tuple[bytes, int]]
) -> Iterator[tuple[int, bytes]]:
    """Messages (data and user id), each of another connection, that wait at the same time.

    Yields:
        The number of a message and its reply, as soon as it may be sent.
    """
    group = GroupCommit(dispatcher, QueueStatistics(), len(messages))
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        for number, (data, user_id) in enumerate(messages):
            envelope = [b"%d" % number, b""]
            request = IncomingRequest(data, user_id, "", -1, 0, socket, envelope)
            if (reply := group.handle(request)) is not None:
                yield number, reply
        while group.has_threads_at_work or group.free_slots < len(messages):
            for request, reply in group.finished():
                yield int(request.envelope[0]), reply
