"""A load generator for machines without wrk: one process with an asyncio task for each connection.

`load.py` runs it: `generator.py URL CONNECTIONS SECONDS METHOD TOKEN IDS SEED [TEMPLATE]`. It prints the same JSON as
wrk.lua. It uses more processor time than wrk, so its results are not comparable with those of wrk.
"""

import asyncio
import itertools
import json
import random
import re
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

Request = Callable[[], bytes]


def main(arguments: list[str]) -> None:
    """Load the server that `arguments` name, and print the results."""
    url, connections, seconds, method, token, ids, seed, *template = arguments
    parts = urlsplit(url)
    head = f"HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n"
    draw = random.Random(seed)

    def get() -> bytes:
        return f"GET {parts.path}/{draw.randint(1, int(ids))} {head}\r\n".encode("ascii")

    text = Path(template[0]).read_text(encoding="utf-8") if template else ""
    sent = itertools.count(1)

    def put() -> bytes:
        number = draw.randint(1, int(ids))
        body = re.sub(r"@(\d+)\+id@", lambda created: str(int(created[1]) + number), text)
        # Every PUT has a different message, so that it changes that field of its build.
        body = body.replace("@id@", str(number)).replace("@message@", f"overwrite {seed}-{next(sent)}")
        length = len(body.encode("utf-8"))
        start = f"PUT {parts.path} {head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        return (start + body).encode("utf-8")

    result = asyncio.run(_load(parts.hostname or "", parts.port or 80, get if method == "GET" else put,
                               int(connections), float(seconds)))  # fmt: skip
    print(json.dumps(result))


async def _load(host: str, port: int, request: Request, connections: int, seconds: float) -> dict[str, float]:
    started = time.perf_counter()
    clients = [_client(host, port, request, started + seconds) for _ in range(connections)]
    outcomes = await asyncio.gather(*clients)
    elapsed = time.perf_counter() - started
    times = sorted(itertools.chain.from_iterable(times for times, _ in outcomes))
    percentiles = statistics.quantiles(times, n=100) if len(times) > 1 else [0.0] * 99
    return {
        "requests": len(times),
        "seconds": elapsed,
        "p50_ms": percentiles[49],
        "p99_ms": percentiles[98],
        "failures": sum(failures for _, failures in outcomes),
    }


async def _client(host: str, port: int, request: Request, end: float) -> tuple[list[float], int]:
    """Send requests one after the other until `end`; return the milliseconds of each, and the number of failures."""
    times: list[float] = []
    failures = 0
    reader, writer = await asyncio.open_connection(host, port)
    while (began := time.perf_counter()) < end:
        writer.write(request())
        try:
            status = await _answer(reader)
        except (OSError, EOFError, ValueError):
            return times, failures + 1
        times.append((time.perf_counter() - began) * 1000)
        failures += status not in range(200, 300)
    writer.close()
    return times, failures


async def _answer(reader: asyncio.StreamReader) -> int:
    """Read a response and return its status. Raises OSError, EOFError and ValueError."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, found, rest = head.partition(b"content-length:")
    if not found:
        raise ValueError("the response has no Content-Length")
    await reader.readexactly(int(rest.partition(b"\r\n")[0]))
    return int(head.split(maxsplit=2)[1])


if __name__ == "__main__":
    main(sys.argv[1:])
