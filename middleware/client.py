"""Client: the address of the client behind a reverse proxy."""

import ipaddress
import re

import falcon

#: An address as proxies write it: with or without a port, quotes, and brackets around an IPv6 address.
_HOP = re.compile(r'"?(?:\[([0-9A-Fa-f:.]+)\](?::\d+)?|([0-9.]+)(?::\d+)?|([0-9A-Fa-f:.]+))"?')


class Client:
    """Falcon middleware that takes the client's address from X-Forwarded-For, for requests of the trusted proxy."""

    def __init__(self, trusted_proxy: str) -> None:
        """Trust the proxy with this address."""
        self._proxy = trusted_proxy

    def process_request(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Set `req.remote_addr` to the last address in the header: the trusted proxy itself has added that one.

        Raises HTTPBadRequest if it is not an address.
        """
        given = req.get_header("X-Forwarded-For")
        if given is not None and req.env.get("REMOTE_ADDR") == self._proxy:
            hop = _HOP.fullmatch(given.rpartition(",")[2].strip())
            try:
                address = ipaddress.ip_address(next(filter(None, hop.groups())) if hop else "")
            except ValueError:
                raise falcon.HTTPBadRequest(
                    description="The header X-Forwarded-For must end with the client's IP address; check the proxy."
                ) from None
            req.env["REMOTE_ADDR"] = str(address)
