"""Benchmarks: what is claimed about speed, runnable; README.md here says what is measured and what is fair about it."""

from pathlib import Path

#: The checkout that is measured.
ROOT = Path(__file__).resolve().parent.parent

#: The key that every contender checks tokens with; it opens nothing but the benchmark's own servers.
SIGNING_KEY = "a signing key for the benchmarks, and for them alone"
