# SPDX-License-Identifier: MIT
"""``python -m jobwait.simulator``: a simulated Asana in the foreground, until Ctrl-C or SIGTERM.

What it prints on stdout is to be pasted into another shell.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

from jobwait.simulator._kinds import KINDS
from jobwait.simulator._server import Simulator
from jobwait.simulator._time import Duration, Durations

_T = TypeVar("_T")

_HINT = """\
Paste the two lines at the end into another shell.  There, start a job and read it:
  curl -H "Authorization: Bearer $ASANA_ACCESS_TOKEN" -H "Content-Type: application/json" \\
    -d '{"data": {"name": "Release 42"}}' "$ASANA_BASE_URL/projects/1/duplicate"
  curl -H "Authorization: Bearer $ASANA_ACCESS_TOKEN" "$ASANA_BASE_URL/jobs/GID"
Ctrl-C ends the simulator.

"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say in one line what is wrong."""
        self.exit(2, f"{self.prog}: {message}\n")


def _duration(text: str) -> Duration:
    name, colon, parameters = text.partition(":")
    if not colon:
        return float(text)
    if name != "lognormal":
        raise ValueError(name)
    median, sigma = parameters.split(",")
    return Durations.lognormal(float(median), float(sigma))


def _fail(text: str) -> float | Sequence[str]:
    try:
        return float(text)
    except ValueError:
        kinds = text.split(",")
        if not set(kinds) <= set(KINDS):
            raise
        return kinds


def _limit(text: str) -> int | None:
    return None if text == "none" else int(text)


def _named(name: str, convert: Callable[[str], _T]) -> Callable[[str], _T]:
    """Give a converter the name that argparse calls a bad value by."""

    def converter(text: str) -> _T:
        return convert(text)

    converter.__name__ = name
    return converter


def _parser() -> _Parser:
    parser = _Parser(
        prog="python -m jobwait.simulator",
        description="Run a simulated Asana on loopback, for trying out what waits for its jobs.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )

    def add(option: str, convert: Callable[[str], object], default: object, text: str) -> None:
        parser.add_argument(option, type=convert, default=default, metavar="X", help=text)

    seconds = _named("number of seconds", float)
    fraction = _named("fraction", float)
    limit = _named("limit", _limit)
    add("--port", _named("port", int), 0, "where to listen; 0 takes a free port")
    add(
        "--duration",
        _named("duration", _duration),
        3.0,
        "the seconds that a job takes, or lognormal:MEDIAN,SIGMA",
    )
    add(
        "--fail",
        _named("fraction or kinds", _fail),
        0.0,
        "the fraction of jobs that fail, or the kinds that do: " + ", ".join(KINDS),
    )
    add("--rate", limit, 150, "the requests a minute that a token may make, or none")
    add("--in-progress-limit", limit, 5, "the jobs that a token may have in progress, or none")
    add("--not-found-for", seconds, 0.0, "a new job is answered with 404 for so many seconds")
    add("--server-errors", fraction, 0.0, "the fraction of reads answered with 500")
    add("--bad-gateways", fraction, 0.0, "the fraction of reads answered with 502 and HTML")
    parser.add_argument("--hide-reference", action="store_true", help="never show what a job makes")
    add("--stranger-status", _named("status", int), 404, "what the other token gets: 403 or 404")
    add("--download-delay", seconds, 0.0, "an export has its URL so many seconds after its end")
    add("--seed", _named("whole number", int), 0, "where all chance comes from")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the simulator until it is interrupted.

    Args:
        arguments: The command line, without the program's name.

    Raises:
        SystemExit: With 2, if the command line is wrong or the port in use.
    """
    parser = _parser()
    knobs = vars(parser.parse_args(arguments))
    with contextlib.suppress(KeyboardInterrupt):
        try:
            asana = Simulator(**knobs)
            asana.start_server()
        except ValueError as error:
            name, _, rest = str(error).partition(" ")
            parser.error(f"argument --{name.replace('_', '-')}: {rest}")
        except OSError as error:
            parser.error(f"argument --port: {knobs['port']}: {error.strerror}")
        with contextlib.closing(asana):
            # Both, as a shell starts what is in the background deaf to Ctrl-C.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.default_int_handler)
            exports = "".join(f"export {name}={value}\n" for name, value in asana.env().items())
            for stream, text in ((sys.stderr, _HINT), (sys.stdout, exports)):
                stream.write(text)
                stream.flush()
            threading.Event().wait()


if __name__ == "__main__":
    main()
