"""Marks for the tests that need what a platform does not have; each says what that is."""

import os
import shutil

import pytest

WINDOWS = os.name == "nt"

needs_bash = pytest.mark.skipif(WINDOWS, reason="Windows has no POSIX shell")
needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed here")
needs_signals = pytest.mark.skipif(WINDOWS, reason="Windows signals no process; Ctrl-C is for all of a console")
needs_terminal = pytest.mark.skipif(WINDOWS, reason="Windows has no pseudo-terminals that Python opens")
needs_file_modes = pytest.mark.skipif(
    WINDOWS, reason="Windows has no file modes; the folder's access list is what counts"
)
needs_open_files_to_move = pytest.mark.skipif(WINDOWS, reason="Windows renames and removes no file that is open")
needs_symbolic_links = pytest.mark.skipif(WINDOWS, reason="Windows makes symbolic links for administrators alone")
needs_limits = pytest.mark.skipif(WINDOWS, reason="Windows has no limits on the files of a process")
