"""Capacity: how many connections there can be, and which one is closed when another client waits for one."""

import contextlib
import logging
import time
from collections import Counter
from collections.abc import Collection

from build_admin.logs import event
from build_admin.server.channel import IDLE, PARTIAL, UNREAD, Channel
from build_admin.settings import Settings

log = logging.getLogger("build_admin.server")

#: Seconds for which a connection is kept though another client waits, by what it does.
KEPT = {IDLE: 0.25, PARTIAL: 2, UNREAD: 5}

#: The part of all connections that an address may have before its own are closed first, and the seconds for those.
SHARE, KEPT_ABOVE_SHARE = 0.5, 1

#: Files that the process may need beside its connections: its own, and those of each thread for SQLite.
OWN_FILES, FILES_OF_A_THREAD = 48, 4


def to_close(channels: Collection[Channel], capacity: int, trusted_proxy: str) -> Channel | None:
    """Return the connection that is to be closed for a client that waits; None where none may be closed yet.

    Where an address has more than half of all connections, it is one of that address. Idle connections come first, then
    those with an incomplete request, then those whose answer is not read; of these the one for which that is so for
    longest. A connection whose request is being worked on is not closed.

    Args:
        channels: the connections; at least one.
        capacity: how many there can be.
        trusted_proxy: the address of a proxy that may have all of them; empty for none.

    """
    now = time.monotonic()
    ((address, number),) = Counter(channel.addr[0] for channel in channels).most_common(1)
    above_share = number > SHARE * capacity and address != trusted_proxy
    candidates = []
    for channel in channels:
        if (does := channel.holds()) and (not above_share or channel.addr[0] == address):
            kind, since = does
            if now - since > (min(KEPT[kind], KEPT_ABOVE_SHARE) if above_share else KEPT[kind]):
                candidates.append((kind, since, channel))
    return min(candidates, key=lambda candidate: candidate[:2])[2] if candidates else None


def capacity_of(settings: Settings) -> int:
    """Return how many connections can be open: as many as are set, if the process may open as many files.

    The process's limit on files is raised as far as the system allows. If that is too low, it is logged, once.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return settings.connections
    own = OWN_FILES + FILES_OF_A_THREAD * settings.threads
    wanted = own + settings.connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < wanted:  # negative is unlimited
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard < 0 else min(wanted, hard), hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < wanted:
            event(
                log,
                logging.WARNING,
                "fewer connections than BUILD_ADMIN_CONNECTIONS, as the process may open too few files",
                connections=max(1, soft - own),
                files=soft,
                needed=wanted,
            )
            return max(1, soft - own)
    return settings.connections
