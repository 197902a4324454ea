"""Requests that cannot leave this machine: a transport that connects to loopback addresses and to nothing else.

Loaded only when a judge is held to this machine; the library for HTTP comes with the extra `llm`.
"""

import asyncio
import socket
from contextlib import suppress

import httpx2

from pairmark.judges.llm.places import is_loopback
from pairmark.judges.llm.provider import Elsewhere


class LoopbackTransport(httpx2.AsyncHTTPTransport):
    """Looks the host up itself, refuses unless every address of it is loopback, and connects to those it looked up, in turn.

    So a name cannot mean one machine when it is checked and another when it is used. Proxies are never used.
    """

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request, if it stays here."""
        host = request.url.host
        *others, last = await _loopback_addresses(host)
        request.extensions = {**request.extensions, "sni_hostname": host}
        for address in others:  # `localhost` is often ::1 first, where servers of models do not listen
            request.url = request.url.copy_with(host=address)
            with suppress(httpx2.ConnectError):
                return await super().handle_async_request(request)
        request.url = request.url.copy_with(host=last)
        return await super().handle_async_request(request)


async def _loopback_addresses(host: str) -> list[str]:
    try:
        found = await asyncio.to_thread(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Elsewhere(host) from error
    addresses = list(dict.fromkeys(str(place[4][0]).partition("%")[0] for place in found))
    if not addresses or not all(is_loopback(address) for address in addresses):
        raise Elsewhere(host)
    return addresses
