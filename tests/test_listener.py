"""What the listener does in one round of the server's loop, in this process."""

import contextlib
import socket
from typing import Any

from build_admin.server.listener import Listener
from build_admin.settings import Settings


def test_a_round_accepts_all_that_wait_and_one_more_than_there_is_room_for() -> None:
    """A round takes long where many clients send much; one new client a round waited for as many rounds as came before.

    Nothing is asked, so there is no dispatcher.
    """
    dispatcher: Any = None
    listener = Listener(None, Settings(port=0, connections=5), dispatcher)
    with contextlib.ExitStack() as stack:
        stack.callback(listener.close)
        for _ in range(7):
            stack.enter_context(socket.create_connection((listener.effective_host, listener.effective_port)))
        listener.handle_accept()
        assert len(listener.active_channels) == 5
        assert listener.pending
        stack.callback(listener.pending[0].close)
        for channel in list(listener.active_channels.values()):
            channel.handle_close()
