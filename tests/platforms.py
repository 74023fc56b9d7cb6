"""Marks that skip tests on a platform that lacks what they need."""

import os

import pytest

WINDOWS = os.name == "nt"
WINE = WINDOWS and "WINEPREFIX" in os.environ

needs_cmd = pytest.mark.skipif(not WINDOWS, reason="only Windows has cmd.exe")
needs_bash = pytest.mark.skipif(WINDOWS, reason="Windows has no POSIX shell")
needs_signals = pytest.mark.skipif(WINDOWS, reason="Windows has no signals except Ctrl-C")
needs_own_postgresql = pytest.mark.skipif(WINE, reason="PostgreSQL for Windows does not start under Wine")
needs_terminal = pytest.mark.skipif(WINDOWS, reason="Python cannot open pseudo-terminals on Windows")
needs_file_modes = pytest.mark.skipif(WINDOWS, reason="Windows has no file modes; the folder's access list applies")
needs_open_files_to_move = pytest.mark.skipif(WINDOWS, reason="Windows cannot rename or remove an open file")
needs_symbolic_links = pytest.mark.skipif(WINDOWS, reason="Windows lets only administrators make symbolic links")
needs_memory_figures = pytest.mark.skipif(WINE, reason="Wine does not tell how much memory a process has")
needs_limits = pytest.mark.skipif(WINDOWS, reason="Windows does not limit the open files of a process")
