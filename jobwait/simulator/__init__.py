# SPDX-License-Identifier: MIT
"""A simulated Asana on loopback: for the demo, for tests, and for your own automation's tests.

It speaks the part of Asana's API that starts jobs and reads them, over real HTTP, and needs
nothing but the standard library.  Names are loaded on first use, so that pytest can load the
fixtures without paying for a server that no test asked for.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobwait.simulator._kinds import KINDS
    from jobwait.simulator._server import Simulator
    from jobwait.simulator._time import Durations, ManualClock
    from jobwait.simulator._world import Request, SimulatedJob

__all__ = ["KINDS", "Durations", "ManualClock", "Request", "SimulatedJob", "Simulator"]

_ROOMS = {
    "KINDS": "_kinds",
    "Durations": "_time",
    "ManualClock": "_time",
    "Request": "_world",
    "SimulatedJob": "_world",
    "Simulator": "_server",
}


def __getattr__(name: str) -> object:
    if name not in _ROOMS:
        raise AttributeError(f"module 'jobwait.simulator' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - for first uses only

    value = getattr(import_module(f"jobwait.simulator.{_ROOMS[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
