"""The entry point that pip calls; everything it needs to know is in setup.cfg."""

from setuptools import setup

setup()
