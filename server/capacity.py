"""Capacity: the number of connections, and the choice of the one that is closed for a client that waits."""

import contextlib
import logging
import time
from collections import Counter
from collections.abc import Collection

from build_admin.logs import event
from build_admin.server.channel import IDLE, PARTIAL, UNREAD, Channel
from build_admin.settings import Settings

log = logging.getLogger("build_admin.server")

#: Seconds for which a connection is kept although another client waits, by its state.
KEPT = {IDLE: 0.25, PARTIAL: 2, UNREAD: 5}

#: An address with more than this share of all connections has its own closed first, each after at most so many seconds.
SHARE, KEPT_ABOVE_SHARE = 0.5, 1

#: File descriptors that the process needs for other things than connections, and for the SQLite files of each thread.
OWN_FILES, FILES_OF_A_THREAD = 48, 4


def to_close(channels: Collection[Channel], capacity: int, trusted_proxy: str) -> Channel | None:
    """Return the connection to close for a client that waits; None if none may be closed yet.

    If an address has more than its share of the connections, only those of that address are considered. Idle
    connections come first, then those with an incomplete request, then those whose answer is not read. Among these it
    is the one that has been in its state for longest. A connection whose request is being answered is never closed.

    Args:
        channels: the connections; at least one.
        capacity: the maximum number of connections.
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
    """Return how many connections can be open: the setting, or fewer if the process may not open so many files.

    The process's limit on open files is raised as far as the system allows. A limit that is too low is logged.
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
                "fewer connections than BUILD_ADMIN_CONNECTIONS: the limit on open files is too low",
                connections=max(1, soft - own),
                files=soft,
                needed=wanted,
            )
            return max(1, soft - own)
    return settings.connections
