# SPDX-License-Identifier: MIT
"""``--demo``: a simulated Asana, and a project duplicated in it, as a user of the API would."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING

from jobwait.cli.secret import Found
from jobwait.cli.streams import say

if TYPE_CHECKING:
    from jobwait.cli.arguments import Arguments

_SECONDS = 6.0
_PROJECT = "1201"
_NAME = "Release 42"


@contextlib.contextmanager
def begin(arguments: Arguments) -> Iterator[Found]:
    """Start the simulated Asana and a job in it; make the command line one that waits for it.

    Args:
        arguments: The command line; it is changed.
    """
    from jobwait.simulator import Simulator  # noqa: PLC0415

    tell = (lambda _text: None) if arguments.quiet else say
    with Simulator(duration=_SECONDS) as asana:
        tell(
            f"A simulated Asana runs at {asana.base_url}.\n"
            "A script of yours would ask it for a copy of a project:\n"
            f'  curl -d \'{{"data":{{"name":"{_NAME}"}}}}\' .../projects/{_PROJECT}/duplicate\n'
        )
        job = _duplicate(asana.base_url, asana.token)
        tell(
            f"It answers at once, with a job ({job['status']}): the copy is not there yet.\n"
            "So the script waits for it, and goes on with the gid that this prints:\n"
            f"  jobwait {job['gid']}\n"
        )
        arguments.jobs = [job["gid"]]
        arguments.base_url = asana.base_url
        yield Found(asana.token, "the demo")


def _duplicate(base_url: str, token: str) -> dict[str, str]:
    request = urllib.request.Request(  # noqa: S310 - the simulator is on http
        f"{base_url}/projects/{_PROJECT}/duplicate",
        data=json.dumps({"data": {"name": _NAME}}).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    # Whatever proxies the environment names, this machine is not behind them.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        made: dict[str, str] = json.load(answer)["data"]
        return made
