# SPDX-License-Identifier: MIT
"""What the command says of itself, its demonstration, and what it writes for GitHub Actions."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from command import environment, run
from far_side import PROJECT, Step, answer, job, succeeded
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from jobwait.cli.arguments import ENVIRONMENT, SHELLS, groups, make_parser, options
from jobwait.cli.exits import Exit
from jobwait.cli.github import literal

if TYPE_CHECKING:
    from conftest import Start

NAMES = [name for option in options(make_parser()) for name in option.option_strings]


def test_every_option_has_help_and_stands_in_a_group() -> None:
    listed = [option for _, group in groups(make_parser()) for option in group]
    assert {option.dest for option in listed} == {o.dest for o in options(make_parser())}
    assert all(option.help for option in listed)


@pytest.mark.parametrize("shell", SHELLS)
def test_each_completion_has_every_option(shell: str) -> None:
    ended = run("--completion", shell)
    assert (ended.status, ended.err) == (0, "")
    for name in NAMES:
        shown = (
            name
            if shell != "fish"
            else re.sub(r"^--(.*)", r"-l \1", re.sub(r"^-(\w)", r"-s \1", name))
        )
        assert re.search(rf"(?<![\w-]){re.escape(shown)}(?![\w-])", ended.out), name
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell} here to read it")
    checked = subprocess.run(
        [program, "-n"], input=ended.out, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("--out", ["--outage-tolerance", "--output"]),
        ("--output ", ["gid", "url", "json", "jsonl", "none"]),
        ("-o js", ["json", "jsonl"]),
        ("1204 --progress l", ["live"]),
        ("--timeout ", []),
        ("--token-file a", ["a file", "another"]),
    ],
)
def test_bash_completes(words: str, offered: list[str], tmp_path: Path) -> None:
    for name in ("a file", "another"):
        (tmp_path / name).touch()
    script = tmp_path / "completion"
    script.write_text(run("--completion", "bash").out)
    *before, word = words.split(" ")
    line = (
        f". {script}; COMP_WORDS=(jobwait {' '.join(before)} '{word}'); "
        f"COMP_CWORD={len(before) + 1}; _jobwait jobwait '{word}'; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    ended = subprocess.run(
        ["/bin/bash", "--norc", "-c", line],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    assert sorted(filter(None, ended.stdout.split("\n"))) == sorted(offered)
    assert ended.stderr == ""


def test_the_man_page_has_everything_and_is_understood_by_man() -> None:
    page = run("--man").out
    plain = page.replace("\\-", "-").replace("\\e", "\\")
    for name in NAMES:
        assert rf"\fB{name}\fR" in plain, name
    for status in Exit:
        assert f"\\fB{int(status)}\\fR\n{status.meaning}" in plain
    for variable, _ in ENVIRONMENT:
        assert variable in plain
    man = shutil.which("man")
    if man is None:
        pytest.skip("there is no man here to read it")
    ended = subprocess.run(
        [man, "--warnings", "-l", "-"],
        input=page,
        capture_output=True,
        text=True,
        env=environment(LC_ALL="C.UTF-8", MANWIDTH="200"),
        check=False,
    )
    assert ended.stderr == ""
    assert r"'{gid}\t{resource_type}\t{name}'" in ended.stdout


def test_the_demonstration_needs_nothing_and_prints_what_was_made(tmp_path: Path) -> None:
    ended = run(
        "--demo",
        "--progress=plain",
        env={"HOME": str(tmp_path), "PATH": "/nowhere", "HTTP_PROXY": "http://127.0.0.1:9"}
        | {name: value for name, value in environment().items() if name.startswith("COV")},
    )
    assert ended.status == Exit.SUCCEEDED, ended.err
    assert re.fullmatch(r"[0-9]+\n", ended.out)
    assert "/projects/1201/duplicate" in ended.err
    assert re.search(rf"succeeded \(.*\): project {ended.out.strip()} 'Release 42'", ended.err)
    assert len(ended.err.splitlines()) < 15


def test_the_demonstration_does_not_ask_the_environment_s_far_side(far_side: Start) -> None:
    far = far_side(succeeded())
    ended = run("--demo", "-q", "-o", "none", url=far.url, JOBWAIT_TIMEOUT="1s")
    assert (ended.status, ended.out, ended.err, far.requests) == (0, "", "", [])


# GitHub Actions.


def in_actions(
    tmp_path: Path, far: Any, *arguments: str, **variables: str | None
) -> tuple[Any, dict[str, str], str]:
    """Run a step; return how it ended, the outputs as GitHub reads them, and the summary."""
    output, summary = tmp_path / "output", tmp_path / "summary"
    output.write_text("before=1\n")
    files: dict[str, Any] = {
        "GITHUB_OUTPUT": str(output),
        "GITHUB_STEP_SUMMARY": str(summary),
        **variables,
    }
    ended = run(*arguments, "--github-output", url=far.url, **files)
    outputs: dict[str, str] = {}
    lines = iter(output.read_text().split("\n"))
    for line in lines:
        name, separator, delimiter = line.partition("<<")
        if separator:
            held = []
            for part in lines:
                if part == delimiter:
                    break
                held.append(part)
            outputs[name] = "\n".join(held)
    return ended, outputs, summary.read_text() if summary.exists() else ""


def answers(steps: dict[str, Step]) -> Step:
    return lambda connection: steps[connection.request.target.rpartition("/")[2]](connection)


def test_outputs_and_summary_of_one_job(far_side: Start, tmp_path: Path) -> None:
    far = far_side(succeeded(resource_subtype="duplicate_project", new_project=PROJECT))
    ended, outputs, summary = in_actions(tmp_path, far, "7")
    assert (ended.status, ended.out) == (0, "1301\n")
    assert outputs == {
        "gid": "1301",
        "url": "https://app.asana.com/0/1301/list",
        "status": "succeeded",
        "outcome": "succeeded",
    }
    assert "::error::" not in ended.err
    table = MarkdownIt().enable("table").render(summary)
    assert (
        "<a href=\"https://app.asana.com/0/1301/list\">project 1301 'Copy of Launch'</a>" in table
    )
    assert "<td>duplicate project</td>" in table


def test_the_chart_is_of_the_waits_in_milliseconds(far_side: Start, tmp_path: Path) -> None:
    """In seconds, the Mermaid that GitHub draws with makes all bars alike."""
    before = time.time() * 1000
    far = far_side(job("in_progress"), succeeded())
    _, _, summary = in_actions(tmp_path, far, "7")
    chart = re.search(r"```mermaid\ngantt\n(.*)\n```\n", summary, re.DOTALL)
    assert chart is not None
    *head, bar = chart[1].splitlines()
    assert "    dateFormat x" in head
    drawn = re.fullmatch(r"    job 7 succeeded :done, (\d{13}), (\d{13})", bar)
    assert drawn is not None
    begins, ends = int(drawn[1]), int(drawn[2])
    assert before <= begins + 1 < ends <= time.time() * 1000 + 1


def test_outputs_of_several_jobs_are_lines_in_the_order_asked_for(
    far_side: Start, tmp_path: Path
) -> None:
    far = far_side(
        answers(
            {
                "1": job("failed"),
                "2": succeeded(new_project=PROJECT),
                "3": job("in_progress"),
            }
        )
    )
    ended, outputs, summary = in_actions(tmp_path, far, "1", "2", "3", "2", "--once")
    assert ended.status == Exit.FAILED
    assert outputs["gid"].split("\n") == ["", "1301", "", "1301"]
    assert outputs["status"].split("\n") == ["failed", "succeeded", "in_progress", "succeeded"]
    assert outputs["outcome"].split("\n") == ["failed", "succeeded", "pending", "succeeded"]
    assert ":crit, " in summary
    assert ":active, " in summary
    errors = [line for line in ended.err.splitlines() if line.startswith("::error::jobwait: job 1")]
    assert len(errors) == 1


def test_what_the_far_side_says_forges_no_output_and_no_command(
    far_side: Start, tmp_path: Path
) -> None:
    evil = "x\njobwait_0\nname=1\n::error::a | b <img src=x> `c` [d](e) @f #1\r\n%0A"
    far = far_side(
        succeeded(resource_subtype=evil, new_project={"gid": evil, "name": evil}),
    )
    ended, outputs, summary = in_actions(tmp_path, far, "1", "--format", "{name}")
    assert set(outputs) == {"gid", "url", "status", "outcome"}
    assert "\n" not in outputs["gid"]
    assert len(ended.out.splitlines()) == 1
    rendered = MarkdownIt().enable("table").render(summary)
    assert "<img" not in rendered
    assert rendered.count("<tr>") == 2
    assert not any(line.startswith("::") for line in (ended.out + ended.err).splitlines())


def test_an_error_is_escaped_for_github(far_side: Start, tmp_path: Path) -> None:
    far = far_side(answer(403, {"errors": [{"message": "100%\r\n::error::x"}]}))
    ended, outputs, _ = in_actions(tmp_path, far, "1")
    assert ended.status == Exit.UNSEEN
    (line,) = [line for line in ended.err.splitlines() if line.startswith("::error::")]
    assert "100%25" in line
    assert outputs["outcome"] == "denied"


def test_a_great_many_jobs_make_no_summary_too_large(far_side: Start, tmp_path: Path) -> None:
    gids = [str(number) for number in range(600)]
    far = far_side(succeeded(new_project=PROJECT))
    ended, outputs, summary = in_actions(tmp_path, far, *gids, "--rate", "100000", "-q")
    assert ended.status == 0
    assert "100 more jobs are not shown." in summary
    assert summary.count("done, ") == 50
    assert len(outputs["gid"].split("\n")) == 600


@pytest.mark.parametrize(("step", "status"), [(succeeded(), Exit.MISUSED), (job("failed"), 1)])
def test_outputs_that_cannot_be_written_are_no_success(
    step: Step, status: int, far_side: Start, tmp_path: Path
) -> None:
    ended, _, _ = in_actions(tmp_path, far_side(step), "1", "-o", "json", GITHUB_STEP_SUMMARY="/")
    assert ended.status == status
    assert "GITHUB_STEP_SUMMARY cannot be written: Is a directory" in ended.err
    assert f'"exit_code": {int(status)}' in ended.out


@given(st.text(st.characters(exclude_categories=("C", "Z")), max_size=20))
def test_any_text_is_shown_by_markdown_as_it_is(text: str) -> None:
    rendered = MarkdownIt().render("x" + literal(text))
    plain = rendered.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"')
    assert plain.replace("&amp;", "&") == f"<p>x{text}</p>\n"
