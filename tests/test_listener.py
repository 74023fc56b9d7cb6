"""One round of the server's loop in the listener."""

import contextlib
import socket
from typing import Any

from build_admin.server.listener import Listener
from build_admin.settings import Address, Settings


def test_a_round_accepts_all_waiting_connections_up_to_one_over_the_limit() -> None:
    """With one connection a round, a new client would wait for many rounds, each of which takes long under load."""
    dispatcher: Any = None  # There are no requests.
    listener = Listener(None, Settings(listen=Address("127.0.0.1", 0), connections=5), dispatcher)
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
