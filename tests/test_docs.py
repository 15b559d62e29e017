# SPDX-License-Identifier: MIT
"""The README and the site: examples run, tables agree with the program, links lead somewhere.

``docs/contributing.md`` says how examples are written so that they can be run here.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import importlib.util
import inspect
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt

import jobwait
from jobwait._errors import OutcomeWord
from jobwait.cli.arguments import ENVIRONMENT, FORMS, SHELLS, make_parser
from jobwait.cli.document import schema
from jobwait.cli.exits import Exit
from jobwait.cli.template import PLACEHOLDERS
from jobwait.simulator import KINDS, Simulator
from jobwait.simulator.__main__ import _parser as make_simulator_parser
from jobwait.simulator._kinds import TABLE

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {
    path.relative_to(ROOT).as_posix(): path
    for path in (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))
    if "_build" not in path.parts
}

ASANA = "https://app.asana.com/api/1.0"
SHELL = ("bash", "sh", "console")
RUN = ("python", *SHELL)
READ = ("javascript", "json", "makefile", "mermaid", "text", "toml", "yaml")
# What not every machine has.
TOOLS = ("curl", "flock", "jq", "make")
# Some pages wait for hundreds of jobs, or with long pauses: there, jobs take no time at all.
KNOBS: dict[str, dict[str, Any]] = {
    "docs/library.md": {"duration": 0.0},
    "docs/many-jobs.md": {"duration": 0.0},
    "docs/tasks/python-sdk.md": {"duration": 0.0},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block of a page.

    Attributes:
        page: The page.
        line: The number of its first line of code.
        language: The first word behind its fence.
        code: What is in it.
        comment: The HTML comment right before it; empty if there is none.
    """

    page: str
    line: int
    language: str
    code: str
    comment: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    def _marked(self, word: str) -> str | None:
        match = re.fullmatch(rf"<!-- {word}: (\S.*) -->", self.comment)
        return match and match[1]

    @property
    def not_run(self) -> str | None:
        """Why it is not run; None if it is."""
        return self._marked("not run")

    @property
    def file(self) -> str | None:
        """The file that it is saved as; None if it is not."""
        return self._marked("file")

    @property
    def script(self) -> str:
        """What bash is given: of a console, what follows the prompts."""
        if self.language != "console":
            return self.code
        return "".join(
            line[2:] for line in self.code.splitlines(keepends=True) if line[:2] in ("$ ", "> ")
        )


def blocks_of(page: str) -> list[Block]:
    blocks, comment = [], ""
    for token in MarkdownIt("commonmark").parse(PAGES[page].read_text("utf-8")):
        if token.type == "fence":
            assert token.map is not None
            blocks.append(
                Block(
                    page=page,
                    line=token.map[0] + 2,
                    language=(token.info.split() or [""])[0],
                    code=token.content,
                    comment=comment,
                )
            )
        comment = token.content.strip() if token.type == "html_block" else ""
    return blocks


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def pages_with(*languages: str) -> pytest.MarkDecorator:
    pages = [
        page
        for page in PAGES
        if any(
            block.page == page and block.language in languages and not block.not_run
            for block in BLOCKS
        )
    ]
    return pytest.mark.parametrize("page", pages)


def in_languages(*languages: str) -> pytest.MarkDecorator:
    blocks = [block for block in BLOCKS if block.language in languages]
    return pytest.mark.parametrize("block", blocks, ids=str)


def each_block() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", BLOCKS, ids=str)


@pytest.fixture
def far_side(page: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """Run a simulator for a page, where the environment leads to."""
    with Simulator(**{"duration": 0.1, "rate": None} | KNOBS.get(page, {})) as asana:
        for name, value in asana.env().items():
            monkeypatch.setenv(name, value)
        yield asana


@pytest.fixture
def same_logging() -> Iterator[None]:
    """Undo what an example does to logging."""
    logger = logging.getLogger("jobwait")
    level = logger.level
    yield
    logger.setLevel(level)


# Examples.


@each_block()
def test_every_block_is_run_or_says_why_not(block: Block) -> None:
    """No block escapes: its language is known here, and so is the comment before it."""
    is_directive = re.fullmatch(r"\{(eval-rst|glossary|include|toctree)\}", block.language)
    assert is_directive or block.language in RUN + READ, f"{block}: unknown language"
    if block.comment:
        assert block.not_run or block.file, f"{block}: unknown comment {block.comment}"
    if block.language == "javascript":
        assert block.not_run or block.file, f"{block}: it is not run, and does not say so"


@pages_with("python")
def test_the_python_of_a_page_runs(page: str, far_side: Simulator, same_logging: None) -> None:
    """From top to bottom, in one namespace, as a reader would paste it."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks_of(page):
        if block.language == "python" and not block.not_run and not block.file:
            code = "\n" * (block.line - 1) + block.code
            exec(compile(code, str(PAGES[page]), "exec"), namespace)


@pages_with(*SHELL)
def test_the_shell_of_a_page_runs(page: str, far_side: Simulator, tmp_path: Path) -> None:
    """Each block in a bash of its own, one after the other, in one directory."""
    blocks = blocks_of(page)
    missing = sorted({tool for block in blocks for tool in _tools_of(block)})
    if missing:
        pytest.skip(f"this machine has no {' and no '.join(missing)}")
    variables = _variables(far_side, tmp_path)
    for block in blocks:
        text = block.script.replace(ASANA, far_side.base_url)
        if block.file:
            (tmp_path / block.file).write_text(text, "utf-8")
        elif block.language in SHELL and not block.not_run:
            _run(block, text, tmp_path, variables)


def _tools_of(block: Block) -> Iterator[str]:
    if block.language in (*SHELL, "makefile") and not block.not_run:
        for tool in ("bash", *TOOLS):
            if re.search(rf"\b{tool}\b", f"bash {block.code}") and not shutil.which(tool):
                yield tool


def _variables(asana: Simulator, home: Path) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    jobs = {name: asana.start(name="Release 42")["gid"] for name in ("JOB", "JOB2", "JOB3")}
    own = {"HOME": str(home), "PATH": path, "TEMPLATE": "1201", "TERM": "dumb"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JOBWAIT_")}
    return kept | own | jobs


def _run(block: Block, script: str, where: Path, variables: Mapping[str, str]) -> None:
    ended = subprocess.run(
        ["bash", "-c", f"set -eo pipefail\n{script}"],
        cwd=where,
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = f"{block} ended with {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
    assert ended.returncode == 0, said
    assert "Traceback" not in ended.stderr, said


@in_languages("python")
def test_python_parses(block: Block) -> None:
    """Run or not."""
    ast.parse(block.code, str(block))


@in_languages(*SHELL)
def test_shell_parses(block: Block) -> None:
    """Run or not."""
    _parse_shell(block, block.script)


@in_languages("json", "yaml", "toml")
def test_data_parses(block: Block) -> None:
    """What a reader copies into a file is one of its kind."""
    loads: dict[str, Callable[[str], Any]]
    loads = {"json": json.loads, "toml": tomllib.loads, "yaml": yaml.safe_load}
    assert loads[block.language](block.code)


@in_languages("yaml")
def test_the_shell_lines_of_ci_files_parse(block: Block) -> None:
    """``run`` in GitHub Actions, ``script`` in GitLab CI."""
    scripts = list(_scripts_in(yaml.safe_load(block.code)))
    assert scripts, f"{block}: there is nothing to run in it"
    for script in scripts:
        _parse_shell(block, re.sub(r"\$\{\{.*?\}\}", "value", script))


def _scripts_in(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _scripts_in(item)
    elif isinstance(node, dict):
        for name, value in node.items():
            lines = value if isinstance(value, list) else [value]
            if name in ("run", "script") and all(isinstance(line, str) for line in lines):
                yield from lines
            else:
                yield from _scripts_in(value)


def _parse_shell(block: Block, script: str) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("this machine has no bash")
    parsed = subprocess.run(
        [bash, "-n"], input=script, capture_output=True, text=True, check=False, timeout=10
    )
    assert not parsed.stderr, f"{block}: {parsed.stderr}"


# Tables.


def rows_under(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table under a heading, as they are written."""
    tokens = MarkdownIt("commonmark").enable("table").parse(PAGES[page].read_text("utf-8"))
    titles = [
        place
        for place, token in enumerate(tokens)
        if token.type == "heading_open" and tokens[place + 1].content == heading
    ]
    assert len(titles) == 1, f"{page}: {len(titles)} headings '{heading}'"
    rows: list[list[str]] = []
    for place, token in enumerate(tokens[titles[0] :], titles[0]):
        if token.type == "table_close":
            break
        if token.type == "tr_open":
            rows.append([])
        if token.type in ("th_open", "td_open"):
            rows[-1].append(tokens[place + 1].content)
    return rows[1:]


def words_in(cell: str) -> list[str]:
    """Return the words of a cell that are code."""
    return re.findall(r"`([^`]+)`", cell)


COMMAND = "docs/command.md"


def test_the_options_are_those_of_the_parser() -> None:
    """Names, order of names, and what the value is called; and no option is missing."""
    told = [words_in(row[0]) for row in rows_under(COMMAND, "Options")]
    real = []
    for action in make_parser()._actions:
        if action.option_strings:
            *short, last = action.option_strings
            value = f" {action.metavar}" if action.nargs != 0 else ""
            real.append([*short, f"{last}{value}"])
    assert sorted(told) == sorted(real)


def test_the_defaults_are_those_of_the_help() -> None:
    """Where the help names a default, so does the page."""
    told = {words_in(row[0])[-1].split()[0]: row[2] for row in rows_under(COMMAND, "Options")}
    for action in make_parser()._actions:
        if action.option_strings and action.help:
            match = re.search(r"\(default: (.*)\)$", action.help)
            words = re.split(r"[ ,]+", match[1]) if match else []
            cell = told[action.option_strings[-1]]
            assert bool(cell) == bool(words), action.option_strings
            for word in words:
                if re.search(r"\d|_|^(auto|gid)$", word):
                    assert f"`{word}`" in cell, f"{action.option_strings}: {word}"


def test_the_choices_are_those_of_the_parser() -> None:
    """The forms of output, the shells."""
    told = {words_in(row[0])[-1].split()[0]: row[1] for row in rows_under(COMMAND, "Options")}
    assert words_in(told["--output"]) == list(FORMS)
    assert words_in(told["--completion"]) == list(SHELLS)


def test_the_variables_are_those_of_the_help() -> None:
    """With their meanings."""
    told = {words_in(name)[0]: meaning for name, meaning in rows_under(COMMAND, "Environment")}
    assert {name: text.replace("`", "") for name, text in told.items()} == dict(ENVIRONMENT)


def test_the_exit_statuses_are_those_of_the_program() -> None:
    """With their meanings."""
    told = {int(code): meaning for code, meaning in rows_under(COMMAND, "Exit status")}
    real = {int(status): status.meaning for status in Exit}
    assert {code: meaning.replace("`", "") for code, meaning in told.items()} == real


def test_the_placeholders_are_those_of_the_templates() -> None:
    """Each is explained."""
    rows = rows_under(COMMAND, "What it prints")
    told = [word.strip("{}") for row in rows for word in words_in(row[0])]
    assert sorted(told) == sorted(PLACEHOLDERS)


def test_the_json_on_the_page_is_what_the_schema_says() -> None:
    """And nothing that can be there is left out of it."""
    (block,) = [b for b in BLOCKS if b.page == COMMAND and b.language == "json"]
    Draft202012Validator(json.loads(schema())).validate(json.loads(block.code))


def test_the_outcomes_are_those_of_the_library() -> None:
    """Nine words, each explained."""
    rows = rows_under("docs/many-jobs.md", "All of them")
    assert sorted(word for row in rows for word in words_in(row[0])) == sorted(
        get_args(OutcomeWord)
    )


def test_the_policy_is_that_of_the_library() -> None:
    """Its numbers, and their defaults."""
    rows = rows_under("docs/library.md", "Change the numbers")
    real = {field.name: field.default for field in dataclasses.fields(jobwait.WaitPolicy)}
    told = {words_in(name)[0]: default.split()[0] for name, default, _ in rows}
    assert list(told) == list(real)
    for name, default in real.items():
        if isinstance(default, float):
            assert float(told[name]) == default, name


def test_every_error_has_its_advice() -> None:
    """Every class that a wait raises is in the table, and only such."""
    rows = rows_under("docs/library.md", "When it goes wrong")
    told = {row[0].rpartition(".")[2].rstrip("`") for row in rows}
    real = {name for name in jobwait.__all__ if name.endswith("Error")}
    # Base classes, and what a wait lives with.
    assert told == real - {"JobwaitError", "PollError", "ProtocolError"}


def test_the_knobs_are_those_of_the_simulator() -> None:
    """In Python and on its command line."""
    rows = rows_under("docs/simulator.md", "Knobs")
    knobs = inspect.signature(Simulator).parameters
    assert [words_in(row[0])[0] for row in rows] == list(knobs)
    options = {action.option_strings[-1] for action in make_simulator_parser()._actions}
    assert {word for row in rows for word in words_in(row[1])} == options - {"--help"}
    for name, _, default, _ in rows:
        value = knobs[words_in(name)[0]].default
        if isinstance(value, int | float) and not isinstance(value, bool):
            assert float(default.split()[0]) == value, name


def test_the_kinds_are_those_of_the_simulator() -> None:
    """With their paths, and with what they make."""
    rows = rows_under("docs/simulator.md", "Eight kinds of job")
    told = {kind: (path, field) for kind, path, field in ([*map(_only, row)] for row in rows)}
    assert told == {kind: (TABLE[kind].path, TABLE[kind].field) for kind in KINDS}


def _only(cell: str) -> str:
    (word,) = words_in(cell)
    return word


def test_the_rooms_import_what_the_table_says() -> None:
    """Neither more nor less, wherever in the file."""
    told = {
        _only(room): set(words_in(imports))
        for room, _, imports in rows_under("docs/contributing.md", "The rooms")
    }
    real = {
        path.stem: {
            node.module.removeprefix("jobwait.")
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.ImportFrom)
            and node.module is not None
            and node.module.startswith("jobwait.")
        }
        for path in (ROOT / "jobwait").glob("_[a-z]*.py")
    }
    assert told == real


def test_every_test_that_is_named_is_there() -> None:
    """A fault in the table without its test would be a promise without a proof."""
    definition = re.compile(r"^(?:async )?def (test_\w+)\(", re.MULTILINE)
    sources = [path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py")]
    there = {name for source in sources for name in definition.findall(source)}
    for page, path in PAGES.items():
        named = re.findall(r"`(test_\w+)`", path.read_text("utf-8"))
        assert set(named) <= there, f"{page}: {sorted(set(named) - there)}"


def test_one_command_runs_every_fault() -> None:
    """The first on the page names every file that has one of the tests in its tables."""
    page = PAGES["docs/reliability.md"].read_text("utf-8")
    command = re.search(r"^\.venv/bin/pytest tests/test_\{([\w,]+)\}\.py$", page, re.MULTILINE)
    assert command is not None
    tests = Path(__file__).parent
    ran = [(tests / f"test_{name}.py").read_text("utf-8") for name in command[1].split(",")]
    for name in set(re.findall(r"`(test_\w+)`", page)):
        assert any(f"def {name}(" in source for source in ran), name


def test_every_benchmark_that_is_named_is_there() -> None:
    """The command beside a table is the one that prints it."""
    main = (ROOT / "tests/benchmarks/__main__.py").read_text("utf-8")
    for page, path in PAGES.items():
        for name in re.findall(r"tests/benchmarks (\w+)", path.read_text("utf-8")):
            assert f'"{name}": ' in main, f"{page}: {name}"


# The site.


def test_the_readme_leads_somewhere() -> None:
    """Its links to files of this repository; Sphinx checks those of the site."""
    text = (ROOT / "README.md").read_text("utf-8")
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text):
        assert (ROOT / target).exists(), target


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    """Strictly: every link inside leads somewhere, every name of jobwait's has its place."""
    for module in ("sphinx", "myst_parser", "furo"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: it is in the extra 'docs'")
    options = ["-W", "-n", "--keep-going", "-q", "-b", "html", "-d", str(tmp_path / "doctrees")]
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, str(DOCS), str(tmp_path / "html")],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (built.returncode, built.stderr) == (0, ""), built.stderr
    with contextlib.suppress(FileNotFoundError):
        assert (tmp_path / "html" / "index.html").stat().st_size
