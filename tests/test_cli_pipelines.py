# SPDX-License-Identifier: MIT
"""The documented pipelines, in a real shell with curl and jq, against the simulator."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import environment

from jobwait.simulator import Simulator

SHELL = shutil.which("bash")
missing = [name for name in ("bash", "curl", "jq") if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(
    bool(missing), reason=f"there is no {' and no '.join(missing)} here"
)

START = (
    'curl -fsS -X POST -H "Authorization: Bearer $ASANA_ACCESS_TOKEN" '
    "-H 'Content-Type: application/json' "
    '-d \'{"data":{"name":"Release 42"}}\' "$ASANA_BASE_URL/projects/$TEMPLATE/duplicate"'
)


@pytest.fixture
def asana() -> Iterator[Simulator]:
    with Simulator(duration=0.3) as running:
        yield running


def shell(script: str, asana: Simulator, **variables: str) -> subprocess.CompletedProcess[str]:
    assert SHELL is not None
    return subprocess.run(
        [SHELL, "-c", script],
        capture_output=True,
        text=True,
        env=environment(**{**asana.env(), "TEMPLATE": "1201", **variables}),
        timeout=120,
        check=False,
    )


def test_what_curl_got_is_waited_for_without_jq(asana: Simulator) -> None:
    ended = shell(f'set -eo pipefail; new=$({START} | jobwait -); echo "made $new"', asana)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.removeprefix("made ").strip().isdigit()


def test_a_request_that_fails_ends_the_pipeline_with_its_reason(asana: Simulator) -> None:
    ended = shell(f"set -o pipefail; {START} | jobwait -", asana, TEMPLATE="")
    assert ended.returncode == 2
    assert "jobwait: standard input held no job" in ended.stderr
    without_f = START.replace("-fsS", "-sS")
    ended = shell(f"set -o pipefail; {without_f} | jobwait -", asana, TEMPLATE="x")
    assert ended.returncode == 2
    assert "so no job was started" in ended.stderr


def test_a_job_in_a_variable_is_waited_for(asana: Simulator) -> None:
    ended = shell(f'JOB=$({START} | jq -r .data.gid); jobwait "$JOB" --timeout 15m', asana)
    assert (ended.returncode, ended.stdout.strip().isdigit()) == (0, True), ended.stderr


def test_jq_reads_the_document_after_a_failure_as_well(asana: Simulator) -> None:
    good, bad = asana.start("duplicate_task"), asana.start("duplicate_task", fail=True)
    ended = shell(
        f"jobwait {good['gid']} {bad['gid']} -o json | "
        'jq -r \'.exit_code, (.jobs[] | [.job, .outcome, .reference.gid // "none"] | join(" "))\'',
        asana,
    )
    status, first, second = ended.stdout.splitlines()
    assert status == "1"
    assert first.startswith(f"{good['gid']} succeeded ")
    assert second == f"{bad['gid']} failed none"


def test_jobs_are_streamed_in_and_out(asana: Simulator) -> None:
    ended = shell(
        f"for n in 1 2 3; do {START}; echo; done | jobwait - -o jsonl | jq -r .reference.name",
        asana,
    )
    assert ended.stdout.splitlines() == ["Release 42"] * 3, ended.stderr


def test_a_step_reads_what_the_one_before_it_made(asana: Simulator, tmp_path: Path) -> None:
    ended = shell(
        f'JOB=$({START} | jq -r .data.gid); jobwait "$JOB" --timeout 15m --github-output',
        asana,
        GITHUB_OUTPUT=str(tmp_path / "output"),
        GITHUB_STEP_SUMMARY=str(tmp_path / "summary"),
    )
    assert ended.returncode == 0, ended.stderr
    gid = ended.stdout.strip()
    assert f"\n{gid}\n" in (tmp_path / "output").read_text()


@pytest.mark.parametrize(("fail", "branch"), [(False, "copied"), (True, "the copy failed")])
def test_a_script_can_tell_the_ends_apart(fail: bool, branch: str, asana: Simulator) -> None:
    gid = asana.start("duplicate_project", fail=fail)["gid"]
    ended = shell(
        f"jobwait {gid} -q -o none; case $? in 0) echo copied;; 1) echo the copy failed;; "
        "124) echo too slow;; *) echo other; esac",
        asana,
    )
    assert ended.stdout == f"{branch}\n"


def test_a_token_from_a_password_manager_needs_no_file(asana: Simulator) -> None:
    gid = asana.start("duplicate_project")["gid"]
    ended = shell(
        f"T=$ASANA_ACCESS_TOKEN; unset ASANA_ACCESS_TOKEN; "
        f'jobwait {gid} --token-file <(printf "%s\\n" "$T")',
        asana,
    )
    assert (ended.returncode, "warning" in ended.stderr) == (0, False), ended.stderr
