# SPDX-License-Identifier: MIT
"""The command line: its options, their checks, and the environment that stands in for them.

The parser made here is the one source of the help, the man page and the completions.  What the
options do is not known here.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import textwrap

from jobwait._text import escape
from jobwait._version import __version__
from jobwait.cli import values
from jobwait.cli.exits import Exit
from jobwait.cli.streams import put, say
from jobwait.cli.template import Template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import NoReturn

    from _typeshed import SupportsWrite

_NARROWEST = 30
DEFAULT_TIMEOUT = "30m"
FORMS = ("gid", "url", "json", "jsonl", "none")
SHELLS = ("bash", "zsh", "fish")

DESCRIPTION = (
    "Wait until Asana's asynchronous jobs end, print what they made, and say by the exit status "
    "how it went. JOB is a job's gid, or - for standard input: gids one a line, or the JSON that "
    "the request which started the job answered."
)
EXAMPLES = (
    ("jobwait 1204 --timeout 15m", "wait for one job; its project's gid goes to stdout"),
    ("curl ... /projects/1201/duplicate | jobwait -", "wait for what was just started"),
)
ENVIRONMENT = (
    ("ASANA_ACCESS_TOKEN_FILE", "the file with the token, without --token-file"),
    ("ASANA_ACCESS_TOKEN", "the token, without either"),
    ("ASANA_BASE_URL", "where the API is, without --base-url"),
    ("JOBWAIT_TIMEOUT", "when to give up, without --timeout"),
    ("NO_COLOR", "if set, no colours: progress is plain"),
    ("TERM", "if dumb, progress is plain"),
    ("GITHUB_OUTPUT", "where --github-output writes outputs"),
    ("GITHUB_STEP_SUMMARY", "where --github-output writes its summary"),
)

# A right way to use each option, for whoever used it wrong.
_RIGHT = {
    "--timeout": "--timeout 15m",
    "--output": "--output json",
    "--format": r"--format '{gid}\t{name}'",
    "--progress": "--progress plain",
    "--heartbeat": "--heartbeat 1m",
    "--rate": "--rate 1500",
    "--price": "--price 0.5s",
    "--max-pause": "--max-pause 2m",
    "--outage-tolerance": "--outage-tolerance 10m",
    "--token-file": "--token-file ~/.asana-token",
    "--base-url": "--base-url https://app.asana.com/api/1.0",
    "--completion": "--completion bash",
    "JOBWAIT_TIMEOUT": "JOBWAIT_TIMEOUT=15m",
    "JOB": "jobwait 1204 --timeout 15m",
}


class Arguments(argparse.Namespace):
    """What the command line asks for; its attributes are the options' names."""

    jobs: list[str]
    timeout: values.Number | None
    once: bool
    any: bool
    fail_fast: bool
    output: str | None
    format: Template | None
    github_output: bool
    progress: str
    heartbeat: values.Number
    quiet: bool
    verbose: int
    rate: values.Number | None
    price: values.Number | None
    max_pause: values.Number | None
    outage_tolerance: values.Number | None
    token_file: str | None
    base_url: str | None
    demo: bool
    completion: str | None
    man: bool
    json_schema: bool

    patience: float
    """The seconds until the whole command gives up; may be ``inf``."""

    @property
    def is_question(self) -> bool:
        """Whether the question is about the command itself: there is nothing to wait for."""
        return self.man or self.json_schema or self.completion is not None


class Parser(argparse.ArgumentParser):
    """A parser whose every complaint is one line with an example of how it is right."""

    def error(self, message: str) -> NoReturn:
        """End with the status 2 and one line on stderr."""
        message = message.removeprefix("argument ")
        # The readers of values have escaped what they repeat; argparse has not.
        shown = message if message.isprintable() else escape(message, longest=None)
        self.exit(Exit.MISUSED, f"{self.prog}: {shown}; for example: {self._example(message)}\n")

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        # argparse passes over what cannot be written.
        (put if file is sys.stdout else say)(message)

    def _example(self, message: str) -> str:
        """Return a right use of the option that a message is about, or means to be about."""
        subject = message.partition(":")[0]
        for name, example in _RIGHT.items():
            if name in subject:
                return example
        if message.startswith("unrecognized"):
            from difflib import get_close_matches  # noqa: PLC0415

            names = [name for option in options(self) for name in option.option_strings]
            wrong = message.split()[2].partition("=")[0]
            for name in get_close_matches(wrong, names, 1):
                return _RIGHT.get(name, f"jobwait 1204 {name}")
        return _RIGHT["JOB"]

    def format_help(self) -> str:
        """Return the help, as wide as the terminal."""
        width = max(shutil.get_terminal_size().columns - 2, _NARROWEST)
        self.description = textwrap.fill(DESCRIPTION, width)
        self.epilog = _epilog(width)
        return super().format_help()


def _epilog(width: int) -> str:
    def table(rows: Iterator[tuple[str, str]], indent: int) -> Iterator[str]:
        for head, text in rows:
            first = f"  {head}".ljust(indent)
            yield textwrap.fill(text, width, initial_indent=first, subsequent_indent=" " * indent)

    return "\n".join(
        [
            "exit status:",
            *table(((str(int(status)), status.meaning) for status in Exit), 7),
            "",
            "examples:",
            *(f"  {command}\n      {text}" for command, text in EXAMPLES),
        ]
    )


def make_parser() -> Parser:
    """Return the parser of the command line."""
    parser = Parser(
        prog="jobwait",
        usage="jobwait [OPTIONS] JOB [JOB ...]",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument(
        "jobs", metavar="JOB", nargs="*", type=_typed(values.job), help="a job's gid, or -"
    )
    _add_waiting(parser)
    _add_results(parser)
    _add_progress(parser)
    _add_asking(parser)
    _add_about(parser)
    return parser


def _typed(read: Callable[[str], object]) -> Callable[[str], object]:
    """Make argparse show what a reader of values says of a wrong one."""

    def typed(text: str) -> object:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return typed


def _add_waiting(parser: Parser) -> None:
    group = parser.add_argument_group("waiting")
    group.add_argument(
        "-t",
        "--timeout",
        metavar="DUR",
        type=_typed(values.duration),
        help="give up after so long in all: 90, 90s, 15m, 1h30m, none "
        f"(default: {DEFAULT_TIMEOUT}, or JOBWAIT_TIMEOUT)",
    )
    group.add_argument("--once", action="store_true", help="look once at each job and exit")
    group.add_argument("--any", action="store_true", help="end with the first job that succeeds")
    group.add_argument(
        "--fail-fast", action="store_true", help="end with the first job that does not succeed"
    )


def _add_results(parser: Parser) -> None:
    group = parser.add_argument_group("results, on stdout")
    group.add_argument(
        "-o",
        "--output",
        metavar="FORM",
        choices=FORMS,
        help="what to print: gid, url (of an export: where to download it), json (one document), "
        "jsonl (a line as each job ends), none (default: gid)",
    )
    group.add_argument(
        "--format",
        metavar="TEMPLATE",
        type=_typed(Template),
        help=r"a line for each result, such as '{gid}\t{resource_type}\t{name}'; there are also "
        "{job}, {status}, {field}, {url}, {download_url}, {created_at}, {completed_at}, "
        "{elapsed_s} and {polls}",
    )
    group.add_argument(
        "--github-output",
        action="store_true",
        help="also write the outputs gid, url, status and outcome, and a summary, for GitHub "
        "Actions",
    )


def _add_progress(parser: Parser) -> None:
    group = parser.add_argument_group("progress, on stderr")
    group.add_argument(
        "--progress",
        metavar="WHEN",
        choices=("auto", "live", "plain", "none"),
        default="auto",
        help="live (rewritten in place), plain (a log), none, or auto: live on a terminal, else "
        "plain (default: auto)",
    )
    group.add_argument(
        "--heartbeat",
        metavar="DUR",
        type=_typed(values.positive_duration),
        default=values.duration("30s"),
        help="how often plain progress says that it still waits (default: 30s)",
    )
    volume = group.add_mutually_exclusive_group()
    volume.add_argument("-q", "--quiet", action="store_true", help="nothing but errors")
    volume.add_argument(
        "-v", "--verbose", action="count", default=0, help="say more; twice: every poll"
    )


def _add_asking(parser: Parser) -> None:
    group = parser.add_argument_group("asking")
    group.add_argument(
        "--token-file",
        metavar="PATH",
        help="the file with the token, - for standard input (default: ASANA_ACCESS_TOKEN_FILE, "
        "then the token in ASANA_ACCESS_TOKEN)",
    )
    group.add_argument(
        "--base-url",
        metavar="URL",
        help="another far side (default: ASANA_BASE_URL, else Asana's)",
    )
    group.add_argument(
        "--rate",
        metavar="N",
        type=_typed(values.rate),
        help="the requests a minute that the token may spend; paid plans allow 1500 (default: 150)",
    )
    group.add_argument(
        "--price",
        metavar="DUR",
        type=_typed(values.finite_duration),
        help="the delay that one request is worth: more of it, fewer polls "
        "(default: half a slot of the rate, 0.2s)",
    )
    group.add_argument(
        "--max-pause",
        metavar="DUR",
        type=_typed(values.positive_duration),
        help="the longest pause between two polls of a job (default: 1m)",
    )
    group.add_argument(
        "--outage-tolerance",
        metavar="DUR",
        type=_typed(values.duration),
        help="how long nothing but failed polls is put up with (default: 5m)",
    )


def _add_about(parser: Parser) -> None:
    group = parser.add_argument_group("about")
    group.add_argument(
        "--demo",
        action="store_true",
        help="no account needed: start a simulated Asana, duplicate a project in it, and wait",
    )
    group.add_argument(
        "--completion",
        metavar="SHELL",
        choices=SHELLS,
        help="print the completion script for bash, zsh or fish",
    )
    group.add_argument("--man", action="store_true", help="print the man page")
    group.add_argument(
        "--json-schema", action="store_true", help="print the JSON Schema of --output json"
    )
    group.add_argument(
        "-V",
        "--version",
        action="version",
        version=f"jobwait {__version__}",
        help="print the version",
    )
    group.add_argument("-h", "--help", action="help", help="print this help")


def parse(argv: Sequence[str] | None = None) -> Arguments:
    """Read the command line, and what the environment says in its stead.

    Args:
        argv: The command line without the program's name; None takes the process's.

    Raises:
        SystemExit: With 0 after the help or the version, with 2 if anything is wrong.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    parser = make_parser()
    if any(word == "--token" or word.startswith("--token=") for word in words):
        # Said before anything else can repeat the secret.
        parser.error("--token does not exist, as a command line is visible to every process: "
                     "set ASANA_ACCESS_TOKEN, or use --token-file")  # fmt: skip
    arguments = parser.parse_intermixed_args(words, namespace=Arguments())
    arguments.patience = _patience(parser, arguments)
    for fault in _faults(arguments):
        parser.error(fault)
    return arguments


def _patience(parser: Parser, arguments: Arguments) -> float:
    if arguments.timeout is not None:
        return arguments.timeout
    # The demonstration is the same everywhere.
    said = None if arguments.demo else os.environ.get("JOBWAIT_TIMEOUT")
    text = said or DEFAULT_TIMEOUT
    try:
        return values.duration(text)
    except ValueError as error:
        parser.error(f"JOBWAIT_TIMEOUT: {error}")


def _faults(arguments: Arguments) -> Iterator[str]:
    """Yield what is wrong with the options taken together."""
    jobs = arguments.jobs
    if arguments.once and (arguments.any or arguments.fail_fast):
        other = "--any" if arguments.any else "--fail-fast"
        yield f"--once and {other}: --once looks at every job once, so leave {other} out"
    if arguments.any and arguments.fail_fast:
        yield "--any and --fail-fast: the one waits past failures, the other ends with the first"
    if arguments.format is not None and arguments.output is not None:
        yield "--format and --output: both say what to print, so leave one of them out"
    if jobs.count(values.STDIN) > 1:
        yield "JOB: - is there twice, but standard input can be read only once"
    if values.STDIN in jobs and arguments.token_file == values.STDIN:
        yield "--token-file: standard input cannot hold both the token and the jobs"
    if arguments.demo and jobs:
        yield "--demo: it starts a job of its own, so name no JOB"
    if arguments.demo and arguments.once:
        yield "--demo and --once: there is nothing to see at once, so leave --once out"
    if not jobs and not arguments.demo and not arguments.is_question:
        yield "JOB: there is none; name a job's gid, or - for standard input"


def options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return the options of a parser, and its positional, in the order of the help."""
    return list(parser._actions)  # noqa: SLF001 - argparse tells nobody else


def groups(parser: argparse.ArgumentParser) -> list[tuple[str, list[argparse.Action]]]:
    """Return the titled groups of a parser's options, in the order of the help."""
    return [
        (group.title or "", list(group._group_actions))  # noqa: SLF001 - as above
        for group in parser._action_groups  # noqa: SLF001 - as above
        if group._group_actions  # noqa: SLF001 - as above
    ]
