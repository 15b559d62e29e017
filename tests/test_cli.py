# SPDX-License-Identifier: MIT
"""The command as a process: what it exits with, what it prints, and for whom."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from command import COMMAND, PATIENCE, TOKEN, environment, run, running
from far_side import PROJECT, Step, answer, close, job, silence, succeeded
from jsonschema import Draft202012Validator

from jobwait._version import __version__
from jobwait.cli import streams
from jobwait.cli.exits import Exit
from jobwait.cli.secret import find_token

if TYPE_CHECKING:
    from conftest import Start

EXPORT = {"gid": "1401", "resource_type": "graph_export", "download_url": "https://x.test/a?s=1"}
ERROR = {"errors": [{"message": "job: no \x1b[31msuch\x1b[0m\n::error::thing", "help": "read"}]}


def by_gid(steps: dict[str, Step]) -> Step:
    """Answer each job in its own way."""
    return lambda connection: steps[connection.request.target.rpartition("/")[2]](connection)


# What is asked, of which far side, and how it ends: one row for each status that a wait can have.
WAITS: dict[str, tuple[list[str], list[Step], Exit, list[str]]] = {
    "it succeeds": (["1"], [succeeded()], Exit.SUCCEEDED, ["succeeded"]),
    "all succeed": (["1", "2"], [succeeded()], Exit.SUCCEEDED, ["succeeded", "succeeded"]),
    "it fails": (["1"], [job("failed")], Exit.FAILED, ["failed"]),
    "one of two fails": (
        ["1", "2"],
        [by_gid({"1": succeeded(), "2": job("failed")})],
        Exit.FAILED,
        ["succeeded", "failed"],
    ),
    "it may not be seen": (["1"], [answer(403, ERROR)], Exit.UNSEEN, ["denied"]),
    "it is not there": (["1", "--once"], [answer(404, ERROR)], Exit.UNSEEN, ["not_found"]),
    "the token is refused": (["1"], [answer(401, ERROR)], Exit.UNAUTHORIZED, ["unauthorized"]),
    "the token is refused for all": (
        ["1", "2", "--once"],
        [answer(401, ERROR)],
        Exit.UNAUTHORIZED,
        ["unauthorized", "unauthorized"],
    ),
    "its reference is hidden": (
        ["1", "--once"],
        [job("succeeded")],
        Exit.NO_REFERENCE,
        ["no_reference"],
    ),
    "an outage lasts": (
        ["1", "--outage-tolerance=0.3s"],
        [answer(502, "<html>")],
        Exit.UNAVAILABLE,
        ["unavailable"],
    ),
    "the answer is no sense at all": (
        ["1", "--once"],
        [answer(200, "<html>")],
        Exit.UNAVAILABLE,
        ["unavailable"],
    ),
    "it is pending": (["1", "--once"], [job("in_progress")], Exit.PENDING, ["pending"]),
    "the timeout comes": (["1", "-t", "0.3s"], [job("in_progress")], Exit.TIMED_OUT, ["timed_out"]),
    "one look in no time": (["1", "-t", "0"], [job("not_started")], Exit.TIMED_OUT, ["timed_out"]),
}


@pytest.mark.parametrize("case", WAITS)
def test_each_end_has_its_status_and_its_word(case: str, far_side: Start) -> None:
    arguments, script, status, outcomes = WAITS[case]
    far = far_side(*script)
    ended = run(*arguments, "--output=json", url=far.url)
    document = json.loads(ended.out)
    assert ended.status == document["exit_code"] == status, ended.err
    assert [each["outcome"] for each in document["jobs"]] == outcomes
    Draft202012Validator(schema()).validate(document)
    assert ended.out.isascii()
    assert TOKEN not in ended.out + ended.err
    assert "Traceback" not in ended.err
    expected = len({word for word in outcomes if word not in ("succeeded", "pending")})
    errors = [line for line in ended.errors if "to go on waiting" not in line]
    assert len(errors) == expected, ended.err


def schema() -> Any:
    return json.loads(run("--json-schema").out)


def test_the_table_of_ends_has_every_word_and_every_status_of_a_wait() -> None:
    report = schema()["$defs"]["JobReport"]["properties"]
    assert {word for *_, words in WAITS.values() for word in words} == set(
        report["outcome"]["enum"]
    )
    elsewhere = {
        Exit.MISUSED,
        Exit.BUG,
        Exit.INTERRUPTED,
        Exit.READER_GONE,
        Exit.TERMINATED,
    }
    assert {status for _, _, status, _ in WAITS.values()} == set(Exit) - elsewhere


def test_any_is_content_with_one_success(far_side: Start) -> None:
    far = far_side(by_gid({"1": job("failed"), "2": succeeded(), "3": job("in_progress")}))
    ended = run("1", "2", "3", "--any", "-o", "jsonl", "--rate", "600", url=far.url)
    lines = [json.loads(line) for line in ended.out.splitlines()]
    assert ended.status == Exit.SUCCEEDED
    assert {line["job"]: line["outcome"] for line in lines} in (
        {"1": "failed", "2": "succeeded", "3": "pending"},
        {"1": "pending", "2": "succeeded", "3": "pending"},
    )
    validator = Draft202012Validator({"$defs": schema()["$defs"], "$ref": "#/$defs/JobReport"})
    for line in lines:
        validator.validate(line)


def test_fail_fast_ends_with_the_first_job_that_does_not_succeed(far_side: Start) -> None:
    far = far_side(by_gid({"1": job("in_progress"), "2": job("failed")}))
    ended = run("1", "2", "--fail-fast", "-o", "json", url=far.url)
    assert ended.status == Exit.FAILED
    assert [each["outcome"] for each in json.loads(ended.out)["jobs"]] == ["pending", "failed"]


def test_a_job_given_twice_is_asked_for_once_and_printed_twice(far_side: Start) -> None:
    for form in ("gid", "json", "jsonl"):
        far = far_side(succeeded())
        ended = run("7", "7", "-o", form, url=far.url)
        assert len(far.requests) == 1
        assert ended.out.count(PROJECT["gid"]) == (2 if form == "gid" else 4), form


@pytest.mark.parametrize(
    ("form", "fields", "out"),
    [
        (["-o", "gid"], {"new_project": PROJECT}, "1301\n"),
        ([], {"new_project": PROJECT}, "1301\n"),
        (["-o", "url"], {"new_project": PROJECT}, "https://app.asana.com/0/1301/list\n"),
        (["-o", "url"], {"new_graph_export": EXPORT}, "https://x.test/a?s=1\n"),
        (["-o", "none"], {"new_project": PROJECT}, ""),
        (
            ["--format", r"{gid}\t{resource_type}\t{name}"],
            {"new_project": PROJECT},
            "1301\tproject\tCopy of Launch\n",
        ),
        (
            ["--format", r"{{{job}}}\\{field}|{url}|{status}|{polls}|{created_at}\n--"],
            {"new_task": {"gid": "1302"}},
            "{7}\\new_task|https://app.asana.com/0/0/1302/f|succeeded|1|\n--\n",
        ),
        (
            ["--format", "{name}"],
            {"new_project": {"gid": "1", "name": "::error::a\n\x1b[31m\u202e ##[set-env]\\"}},
            "\\x3a:error::a\\n\\x1b[31m\\u202e \\x23#[set-env]\\\\\n",
        ),
        (
            ["--format", "::notice::{gid}"],
            {"new_project": PROJECT},
            "::notice::1301\n",
        ),
    ],
)
def test_stdout_holds_the_results_in_the_form_asked_for(
    form: list[str], fields: dict[str, Any], out: str, far_side: Start
) -> None:
    ended = run("7", *form, url=far_side(succeeded(**fields)).url)
    assert (ended.status, ended.out) == (Exit.SUCCEEDED, out)
    assert ended.errors == []


def test_a_result_without_a_page_is_an_error_line_and_no_line_of_results(far_side: Start) -> None:
    far = far_side(
        by_gid({"1": succeeded(new_project_template={"gid": "5", "name": "T"}), "2": succeeded()})
    )
    ended = run("1", "2", "-o", "url", url=far.url)
    assert (ended.status, ended.out) == (Exit.SUCCEEDED, "https://app.asana.com/0/1301/list\n")
    (error,) = ended.errors
    assert error.startswith("jobwait: job 1 made new project template 5 'T', which has no page")


def test_results_come_in_the_order_asked_for(far_side: Start) -> None:
    made = {str(n): succeeded(new_task={"gid": str(n + 100)}) for n in range(1, 6)}
    far = far_side(by_gid({**made, "6": job("failed")}))
    ended = run("6", "5", "3", "4", "1", "2", "3", url=far.url)
    assert ended.out.split() == ["105", "103", "104", "101", "102", "103"]


# Misuse: one line, the status 2, and nothing is asked.
MISUSE = {
    "--timeout -5 1": "--timeout 15m",
    "--timeout -5m 1": "--timeout 15m",
    "1 --timeout": "--timeout 15m",
    "1 --timeout soon": "--timeout 15m",
    "1 --timeout nan": "--timeout 15m",
    "1 --heartbeat 0": "--heartbeat 1m",
    "1 --max-pause 0s": "--max-pause 2m",
    "1 --price none": "--price 0.5s",
    "1 --rate 0": "--rate 1500",
    "1 --rate 5s": "--rate 1500",
    "1 --outage-tolerance x": "--outage-tolerance 10m",
    "1 --any --once": "--any",
    "1 --once --fail-fast": "--fail-fast",
    "1 --any --fail-fast": "--any and --fail-fast",
    "1 --format {nope}": r"--format '{gid}\t{name}'",
    "1 --format {gid": r"--format '{gid}\t{name}'",
    "1 --format {gid!r}": r"--format '{gid}\t{name}'",
    "1 --format {gid} -o json": "--format and --output",
    "1 -o xml": "--output json",
    "1 --progress loud": "--progress plain",
    "1 -q -v": "--quiet",
    "1 --tiemout 5": "--timeout 15m",
    "1 --time 5": "--timeout 15m",
    "1 --zzz": "jobwait 1204",
    "1 --token s3cret": "--token-file",
    "1 --token=s3cret": "--token-file",
    "": "jobwait 1204",
    "12a": "jobwait 1204",
    "../users/me": "jobwait 1204",
    "１２": "jobwait 1204",  # noqa: RUF001 - digits, but not ASCII's
    "0123456789012345678901234567890123": "jobwait 1204",
    "-5": "jobwait 1204",
    "- -": "jobwait 1204",
    "- --token-file -": "--token-file",
    "--demo 1": "--demo",
    "--demo --once": "--demo",
    "1 --completion tcsh": "--completion bash",
    "1 --token-file /": "--token-file",
    "1 --token-file /nonexistent": "--token-file",
    "1 --github-output": "GITHUB_OUTPUT and GITHUB_STEP_SUMMARY",
    "1 --base-url http://example.com": "--base-url",
    "1 --base-url https://a:b@example.com": "--base-url",
}


@pytest.mark.parametrize("line", MISUSE)
def test_misuse_is_one_line_that_names_the_option_and_how_it_is_right(line: str) -> None:
    ended = run(*line.split())
    assert (ended.status, ended.out) == (Exit.MISUSED, ""), ended.err
    assert ended.err.startswith("jobwait: ")
    assert ended.err.count("\n") == 1
    assert MISUSE[line] in ended.err
    assert "s3cret" not in ended.err


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"JOBWAIT_TIMEOUT": "soon"}, "JOBWAIT_TIMEOUT=15m"),
        ({"ASANA_BASE_URL": "http://example.com"}, "ASANA_BASE_URL"),
        ({"ASANA_ACCESS_TOKEN": ""}, "ASANA_ACCESS_TOKEN"),
        ({"ASANA_ACCESS_TOKEN": "a b"}, "ASANA_ACCESS_TOKEN"),
        ({"ASANA_ACCESS_TOKEN": "a\nb"}, "ASANA_ACCESS_TOKEN"),
        ({"ASANA_ACCESS_TOKEN_FILE": "/nonexistent"}, "ASANA_ACCESS_TOKEN_FILE"),
        ({"SSL_CERT_FILE": "/"}, "SSL_CERT_FILE"),
    ],
)
def test_a_bad_variable_is_named(variables: dict[str, str], named: str) -> None:
    ended = run("1", **{"url": "https://app.asana.com/api/1.0", **variables})  # type: ignore[arg-type]
    assert (ended.status, ended.out) == (Exit.MISUSED, "")
    assert ended.err.startswith("jobwait: ")
    assert ended.err.count("\n") == 1
    assert named in ended.err


def test_no_token_at_all_is_an_end_of_its_own() -> None:
    ended = run("1", "-o", "json", ASANA_ACCESS_TOKEN=None)
    assert ended.status == json.loads(ended.out)["exit_code"] == Exit.UNAUTHORIZED
    assert len(ended.errors) == 1
    assert "--demo" in ended.err


def test_the_token_comes_from_a_file_before_the_environment(
    far_side: Start, tmp_path: Path
) -> None:
    secret = tmp_path / "token"
    secret.write_text("from/the-file\n")
    secret.chmod(0o600)
    far = far_side(succeeded())
    by_option = run("1", "--token-file", str(secret), url=far.url)
    by_variable = run("1", url=far.url, ASANA_ACCESS_TOKEN_FILE=str(secret))
    by_stdin = run("1", "--token-file", "-", url=far.url, stdin="from/the-file\r\n")
    by_neither = run("1", url=far.url, ASANA_ACCESS_TOKEN_FILE="")
    sent = [request.headers["authorization"] for request in far.requests]
    assert sent == ["Bearer from/the-file"] * 3 + [f"Bearer {TOKEN}"]
    for ended in (by_option, by_variable, by_stdin, by_neither):
        assert (ended.status, "warning" in ended.err) == (0, False)


def test_a_token_file_that_others_can_read_is_a_warning(far_side: Start, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("a-token")
    secret.chmod(0o640)
    far = far_side(succeeded())
    assert (
        "warning: --token-file: others can read"
        in run("1", "--token-file", str(secret), url=far.url).err
    )
    assert run("1", "-q", "--token-file", str(secret), url=far.url).err == ""


@pytest.mark.parametrize("content", ["", "\n", "a b", "a\nb\n", "é", "x" * 70000])
def test_a_file_that_holds_no_token_is_a_misuse(content: str, tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text(content)
    secret.chmod(0o600)
    ended = run("1", "--token-file", str(secret))
    assert (ended.status, len(ended.errors)) == (Exit.MISUSED, 1)
    assert "--token-file" in ended.err
    assert not content.strip() or content[:5] not in ended.err


def test_the_token_is_shown_nowhere(far_side: Start) -> None:
    far = far_side(answer(500, {"errors": [{"message": "x", "phrase": "6 sad squid"}]}), close())
    ended = run("1", "-vv", "-o", "json", "--outage-tolerance", "0.5s", url=far.url)
    assert ended.status == Exit.UNAVAILABLE
    assert TOKEN not in ended.out + ended.err
    assert TOKEN[10:] not in ended.out + ended.err


def test_an_export_s_download_url_is_in_results_only(far_side: Start, tmp_path: Path) -> None:
    far = far_side(succeeded(new_graph_export=EXPORT))
    summary = tmp_path / "summary"
    ended = run(
        "1",
        "-vv",
        "-o",
        "url",
        "--github-output",
        url=far.url,
        GITHUB_OUTPUT=str(tmp_path / "output"),
        GITHUB_STEP_SUMMARY=str(summary),
    )
    assert ended.out == f"{EXPORT['download_url']}\n"
    assert "x.test" not in ended.err + summary.read_text()
    assert EXPORT["download_url"] in (tmp_path / "output").read_text()


def test_quiet_says_nothing_but_errors(far_side: Start) -> None:
    assert run("1", "-q", url=far_side(succeeded()).url).err == ""
    assert run("1", "--progress=none", url=far_side(succeeded()).url).err == ""
    ended = run("1", "-q", url=far_side(job("failed")).url)
    assert ended.err.splitlines() == ended.errors


def test_a_timeout_says_how_to_go_on(far_side: Start, tmp_path: Path) -> None:
    secret = tmp_path / "token file"
    secret.write_text(TOKEN)
    secret.chmod(0o600)
    far = far_side(by_gid({"1": succeeded(), "2": job("in_progress"), "3": job("in_progress")}))
    given = [f"--token-file={secret}", "--timeout=1s", "-v", "-v", "--rate=1500", "--format={gid}"]
    ended = run("2", "1", *given, "3", url=far.url, JOBWAIT_TIMEOUT="5s")
    assert ended.status == Exit.TIMED_OUT
    assert ended.errors[-1] == (
        "jobwait: to go on waiting: jobwait 2 3 --timeout 1s --format '{gid}' "
        f"--verbose --verbose --token-file '{secret}' --rate 1500"
    )


def test_a_bug_is_a_status_of_its_own_with_a_traceback(tmp_path: Path, far_side: Start) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import jobwait.cli.plain as plain\n"
        "def broken(self, entry, poll):\n"
        "    raise LookupError('what a bug')\n"
        "plain.Plain.polled = broken\n"
    )
    ended = run("1", "-o", "json", url=far_side(succeeded()).url, PYTHONPATH=str(tmp_path))
    assert ended.status == json.loads(ended.out)["exit_code"] == Exit.BUG
    assert "LookupError: what a bug" in ended.err
    assert "this is a bug in jobwait" in ended.err.splitlines()[-1]


def test_a_bug_is_confessed(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        int("what a bug")
    except ValueError:
        assert streams.confess() == Exit.BUG
    assert "'what a bug'" in capsys.readouterr().err


def test_a_token_found_does_not_show_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASANA_ACCESS_TOKEN", TOKEN)
    assert repr(find_token(None, pytest.fail)) == "<token from ASANA_ACCESS_TOKEN>"


def shell(line: str, url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/bash", "-c", line],
        capture_output=True,
        text=True,
        env=environment(url),
        timeout=120,
        check=False,
    )


ANSWERS = ["1", "1 -o json", "1 -o jsonl", "-h", "-V", "--man", "--json-schema"]


@pytest.mark.parametrize("what", ANSWERS)
def test_a_reader_that_closes_the_pipe_ends_it_quietly(what: str, far_side: Start) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing) as nobody:
        ended = subprocess.run(
            [COMMAND, "--progress=none", *what.split()],
            stdout=nobody,
            stderr=subprocess.PIPE,
            env=environment(far_side(succeeded()).url),
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (Exit.READER_GONE, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("what", ANSWERS)
def test_results_that_cannot_be_written_are_an_error(what: str, far_side: Start) -> None:
    ended = shell(f"jobwait --progress none {what} > /dev/full", far_side(succeeded()).url)
    assert ended.returncode == Exit.MISUSED
    assert ended.stderr.startswith("jobwait: the results cannot be written to standard output: ")
    assert ended.stderr.count("\n") == 1


def test_a_closed_stdout_is_an_error_unless_nothing_is_to_be_printed(far_side: Start) -> None:
    far = far_side(succeeded())
    ended = shell("jobwait 1 -q >&-", far.url)
    assert (ended.returncode, "standard output is closed" in ended.stderr) == (Exit.MISUSED, True)
    assert shell("jobwait 1 -q -o none >&-", far.url).returncode == Exit.SUCCEEDED


def test_a_closed_stderr_changes_no_status(far_side: Start) -> None:
    assert shell("jobwait 1 2>&-", far_side(job("failed")).url).returncode == Exit.FAILED
    ended = shell("jobwait 1 2>/dev/full", far_side(succeeded()).url)
    assert (ended.returncode, ended.stdout) == (0, "1301\n")


def test_a_closed_stdin_matters_only_to_who_reads_it(far_side: Start) -> None:
    far = far_side(succeeded())
    assert shell("jobwait 1 <&-", far.url).returncode == Exit.SUCCEEDED
    ended = shell("jobwait - <&-", far.url)
    assert (ended.returncode, "standard input is closed" in ended.stderr) == (Exit.MISUSED, True)


def test_version_and_help_import_nothing_dear() -> None:
    dear = ["httpx", "tenacity", "pydantic", "rich", "click"]
    dear += ["asyncio", "concurrent", "dataclasses", "logging"]
    for question in ("-V", "--version", "-h"):
        # What argparse itself takes for a help is not ours: from 3.14 on, colours.
        code = (
            "import argparse, sys; argparse.ArgumentParser().format_help()\n"
            "before = set(sys.modules); from jobwait.cli import main\n"
            f"status = main([{question!r}])\n"
            f"print(status, sorted(set({dear}) & set(sys.modules) - before))"
        )
        out = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        assert out.splitlines()[-1] == "0 []", question


def test_a_wait_in_a_pipeline_imports_neither_rich_nor_asyncio(far_side: Start) -> None:
    code = (
        "import sys; before = set(sys.modules); from jobwait.cli import main\n"
        "main(['1'])\n"
        "print(sorted({'rich', 'asyncio', 'click'} & set(sys.modules) - before))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=environment(far_side(succeeded()).url),
    ).stdout
    assert out.splitlines()[-1] == "[]"


def test_version_is_the_package_s_in_both_ways() -> None:
    for arguments in (["-V"], ["--version"], ["--version", "1"]):
        assert run(*arguments).out == f"jobwait {__version__}\n"


def test_the_module_is_the_command() -> None:
    out = subprocess.run([sys.executable, "-m", "jobwait", "-V"], capture_output=True, check=True)
    assert out.stdout.decode() == f"jobwait {__version__}\n"


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_help_fits_the_terminal_and_has_every_status(columns: int) -> None:
    ended = run("-h", COLUMNS=str(columns))
    assert (ended.status, ended.err) == (0, "")
    for status in Exit:
        assert f"\n  {int(status):<3}  " in ended.out
    longest = max(len(line) for line in ended.out.splitlines() if "curl" not in line)
    assert longest <= max(columns, 64)


def test_nothing_is_asked_for_a_bad_gid_among_good_ones(far_side: Start) -> None:
    far = far_side(succeeded())
    ended = run("1", "2", "x3", url=far.url)
    assert (ended.status, far.requests) == (Exit.MISUSED, [])


def test_options_may_stand_between_jobs(far_side: Start) -> None:
    far = far_side(by_gid({n: succeeded(new_task={"gid": n}) for n in "1234"}))
    ended = run("1", "-q", "2", "--timeout", "5m", "3", "--", "4", url=far.url)
    assert (ended.status, ended.out.split()) == (0, ["1", "2", "3", "4"])


def test_a_silent_far_side_is_bounded_by_the_timeout(far_side: Start) -> None:
    far = far_side(silence())
    ended = run("1", "--timeout", "0.5s", url=far.url)
    assert ended.status == Exit.TIMED_OUT
    assert run("1", "--once", "--timeout", "0.5s", url=far.url).status == Exit.UNAVAILABLE


def test_a_timeout_before_the_end_of_standard_input_is_no_success(far_side: Start) -> None:
    """Whatever was waited for has succeeded; what would have come is not known."""
    far = far_side(succeeded())
    with running("-", "--timeout", "1", url=far.url) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b"1\n")
        process.stdin.flush()
        assert process.wait(PATIENCE) == Exit.TIMED_OUT
        said = process.stderr.read()
    assert b"the timeout came while standard input was still open" in said
