"""The version of waitress, whose internals server/ overrides and relies on, has been reviewed."""

import hashlib
import importlib.metadata
import inspect

import pytest
import waitress.channel
import waitress.parser
import waitress.receiver
import waitress.server
import waitress.task
import waitress.wasyncore

#: The version that server/ was written for.
REVIEWED = "3.0.2"

#: Each class of waitress that server/ extends or relies on, and the hash of its source.
SOURCES = {
    waitress.channel.HTTPChannel: "aa3da44fa1741b69",
    waitress.parser.HTTPRequestParser: "f2b09de756c11493",
    waitress.receiver.ChunkedReceiver: "7d4fd7a3f8c53daa",
    waitress.receiver.FixedStreamReceiver: "434997a7017f1336",
    waitress.server.BaseWSGIServer: "82ab2f37dc852df3",
    waitress.server.TcpWSGIServer: "b2cb32f191a17310",
    waitress.task.Task: "407d67e516390fb5",
    waitress.task.ErrorTask: "50756541cbe4e25b",
    waitress.task.WSGITask: "9d14cf12c73aa868",
    waitress.wasyncore.dispatcher: "4d74dc7e94b4be53",
}


def test_the_installed_version_has_been_reviewed() -> None:
    """For another version, review the changes of these classes, adapt server/, and update the hashes."""
    assert importlib.metadata.version("waitress") == REVIEWED


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.__name__)
def test_the_source_of_each_class_is_unchanged(source: type) -> None:
    assert hashlib.sha256(inspect.getsource(source).encode()).hexdigest()[:16] == SOURCES[source]
