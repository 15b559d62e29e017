# SPDX-License-Identifier: MIT
"""SIGINT and SIGTERM: noted, never raised.

A handler that raises does so in the middle of whatever runs, such as half a line of output.  This
one notes the signal and wakes whoever waits; what the command then does is not known here.
"""

from __future__ import annotations

import os
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# A second Ctrl-C within so many seconds is impatience, not a sign that nothing happens.
_GRACE = 1.0
_LAST_MOMENTS = 0.5
_HEARD = (signal.SIGINT, signal.SIGTERM)


class Signals:
    """The signals that the process got.

    Attributes:
        first: The number of the first; None if there was none.
        wake: What to call when it comes.  It must be safe to call from a signal handler.
    """

    def __init__(self) -> None:
        self.first: int | None = None
        self.wake: Callable[[], object] = _nobody
        self._at = 0.0

    def listen(self) -> None:
        """Note signals from now on, to the end of the process.

        A signal that the parent had ignored, as ``nohup`` does, stays so.
        """
        for number in _HEARD:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._note)

    def settle(self, status: int) -> None:
        """Let nothing change the status that the process ends with, if a signal decided it.

        Args:
            status: The exit status.
        """
        if self.first is None:
            return
        # The interpreter gives the default handlers back at its end, but not to ignored signals.
        for number in _HEARD:
            signal.signal(number, signal.SIG_IGN)
        # It also waits for threads, such as one that looks up a name for half a minute.
        from threading import Timer  # noqa: PLC0415

        ending = Timer(_LAST_MOMENTS, os._exit, (status,))
        ending.daemon = True
        ending.start()

    def _note(self, number: int, _frame: object) -> None:
        if self.first is None:
            self.first = number
            self._at = time.monotonic()
            self.wake()
        elif time.monotonic() - self._at > _GRACE:
            # Something hangs, perhaps a reader of the output that does not read.
            os._exit(128 + number)


def _nobody() -> None:
    pass
