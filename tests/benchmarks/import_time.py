# SPDX-License-Identifier: MIT
"""What it costs to start: importing jobwait, and running the command.

Measured: the CPU time of whole processes, the best of several rounds in which all take turns.
Against: importing the three libraries that jobwait stands on (and, where jobwait loads all of
itself, using of them what it cannot do without, as pydantic loads itself on first use); importing
``argparse``; and a script of ten lines that does what ``jobwait GID`` does for a job that has
ended: import the same libraries, build a client, get the job over TLS once and validate it.

Promises: ``import jobwait; jobwait.wait_for_job`` costs at most 1.15 times the three libraries,
``jobwait -V`` at most 1.5 times ``argparse``, and the command at most 1.15 times the script.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from server import gid, server
from shared import promise, table

ROUNDS = 15
_LIBRARIES = "import httpx, tenacity, pydantic"
_SCRIPT = """\
import os, sys
import httpx, tenacity, pydantic
class Project(pydantic.BaseModel):
    gid: str
class Job(pydantic.BaseModel):
    gid: str; status: str; new_project: Project
class Envelope(pydantic.BaseModel):
    data: Job
token, url = os.environ["ASANA_ACCESS_TOKEN"], os.environ["ASANA_BASE_URL"]
with httpx.Client(headers={"Authorization": "Bearer " + token}) as client:
    answer = client.get(url + "/jobs/" + sys.argv[1])
print(Envelope.model_validate_json(answer.content).data.new_project.gid)
"""


def main() -> None:
    """Run the benchmark."""
    python = (sys.executable, "-c")
    command = (str(Path(sys.executable).with_name("jobwait")),)
    with server() as far, TemporaryDirectory() as home:
        environ = {
            "HOME": home,
            "PATH": os.environ["PATH"],
            "ASANA_BASE_URL": far.https,
            "ASANA_ACCESS_TOKEN": "2/1200/1300:0123456789abcdef",
            "SSL_CERT_FILE": far.certificates,
        }
        if "PYTHONPATH" in os.environ:
            environ["PYTHONPATH"] = os.environ["PYTHONPATH"]
        pairs: dict[str, tuple[Sequence[str], Sequence[str]]] = {
            "`import jobwait; jobwait.wait_for_job` to the libraries": (
                (*python, "import jobwait; jobwait.wait_for_job"),
                (*python, _LIBRARIES),
            ),
            "`import jobwait; jobwait.JobsClient` to the libraries, used": (
                (*python, "import jobwait; jobwait.JobsClient"),
                (*python, f"{_LIBRARIES}; pydantic.BaseModel; httpx.Client"),
            ),
            "`jobwait -V` to `import argparse`": (
                (*command, "-V"),
                (*python, "import argparse"),
            ),
            "`jobwait GID`, ended, to the script": (
                (*command, gid(1)),
                (*python, _SCRIPT, gid(1)),
            ),
        }
        best = dict.fromkeys(pairs, (float("inf"), float("inf")))
        for _ in range(ROUNDS):
            for name, (ours, theirs) in pairs.items():
                least, other = best[name]
                best[name] = (
                    min(least, _cpu(ours, environ)),
                    min(other, _cpu(theirs, environ)),
                )
    ratios = {name: ours / theirs for name, (ours, theirs) in best.items()}
    table(
        ("", "jobwait", "other", "ratio"),
        [
            (name, f"{ours * 1e3:.0f} ms", f"{theirs * 1e3:.0f} ms", f"{ratios[name]:.2f}")
            for name, (ours, theirs) in best.items()
        ],
    )
    limits = (1.15, None, 1.5, 1.15)
    for (name, ratio), limit in zip(ratios.items(), limits, strict=True):
        if limit is not None:
            promise(name, ratio, at_most=limit)


def _cpu(command: Sequence[str], environ: Mapping[str, str]) -> float:
    """Return the CPU seconds of a process from its start to its end."""
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return used.ru_utime + used.ru_stime
