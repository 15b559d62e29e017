# SPDX-License-Identifier: MIT
"""Fixtures for the tests of code that waits for Asana: a simulated one, at hand.

pytest loads this file in every run, so it imports nothing else before a test asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jobwait.simulator import Simulator


@pytest.fixture
def make_asana_simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Simulator]]:
    """Make simulated Asanas, with the keyword arguments of jobwait.simulator.Simulator.

    Jobs take 0.05 seconds unless told otherwise.  ASANA_BASE_URL and ASANA_ACCESS_TOKEN lead to
    the last one made; all of them are closed when the test ends.
    """
    from contextlib import ExitStack  # noqa: PLC0415 - see the file's first lines

    from jobwait.simulator import Simulator  # noqa: PLC0415 - the same

    with ExitStack() as running:

        def make(**knobs: Any) -> Simulator:
            asana = running.enter_context(Simulator(**{"duration": 0.05, **knobs}))
            for name, value in asana.env().items():
                monkeypatch.setenv(name, value)
            return asana

        yield make


@pytest.fixture
def asana_simulator(make_asana_simulator: Callable[..., Simulator]) -> Simulator:
    """Run a simulated Asana, where ASANA_BASE_URL and ASANA_ACCESS_TOKEN lead to.

    It is a jobwait.simulator.Simulator, in which jobs take 0.05 seconds.
    """
    return make_asana_simulator()
