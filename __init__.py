"""Build Admin: overwrites the builds of a Vela CI server, whole or not at all, and remembers what it overwrote."""

__version__ = "0.2.0"
