"""Benchmarks of the service; README.md in this folder describes what is measured and how."""

from pathlib import Path

#: The checkout that is measured.
ROOT = Path(__file__).resolve().parent.parent

#: The signing key of all contenders.
SIGNING_KEY = "a signing key for the benchmarks, and for them alone"
