# SPDX-License-Identifier: MIT
"""Completion scripts for the shells, made from the parser.

A command without subcommands needs no more than a list of its options, of their fixed values,
and of those whose value is a file; the shells do the rest.
"""

from __future__ import annotations

from argparse import Action
from collections.abc import Iterator

from jobwait.cli.arguments import make_parser, options

# What completes to the names of files.
_FILES = ("token_file",)


def script(shell: str) -> str:
    """Return the completion script for a shell.

    Args:
        shell: ``"bash"``, ``"zsh"`` or ``"fish"``.
    """
    makers = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    return (
        "\n".join(makers[shell]([each for each in options(make_parser()) if _is_option(each)]))
        + "\n"
    )


def _is_option(action: Action) -> bool:
    return bool(action.option_strings)


def _takes_value(option: Action) -> bool:
    return option.nargs != 0


def _bash(given: list[Action]) -> Iterator[str]:
    yield "# Completion of jobwait for bash: put this where bash-completion looks, or source it."
    yield "_jobwait() {"
    yield "    COMPREPLY=()"
    yield '    case "${COMP_WORDS[COMP_CWORD-1]}" in'
    for option in given:
        if _takes_value(option):
            yield f"        {'|'.join(option.option_strings)}) {_bash_value(option)} return;;"
    yield "    esac"
    names = " ".join(name for option in given for name in option.option_strings)
    yield f'    COMPREPLY=($(compgen -W "{names}" -- "$2"))'
    yield "}"
    yield "complete -F _jobwait jobwait"


def _bash_value(option: Action) -> str:
    # The bash of macOS is of 2007, and knows no mapfile.
    if option.choices:
        return f'COMPREPLY=($(compgen -W "{" ".join(option.choices)}" -- "$2"));'
    if option.dest in _FILES:
        return "local IFS=$'\\n'; COMPREPLY=($(compgen -f -- \"$2\"));"
    return ""


def _zsh(given: list[Action]) -> Iterator[str]:
    yield "#compdef jobwait"
    yield "# Completion of jobwait for zsh: put this as _jobwait into a directory of $fpath."
    yield "_arguments -s \\"
    for option in given:
        names = option.option_strings
        name = f"'({' '.join(names)})'{{{','.join(names)}}}" if len(names) > 1 else names[0]
        value = ""
        if _takes_value(option):
            words = f"({' '.join(option.choices)})" if option.choices else " "
            value = f":{option.metavar}:{'_files' if option.dest in _FILES else words}"
        yield f"  {name}{_quoted(f'[{_brief(option)}]{value}')} \\"
    yield "  '*:JOB: '"


def _fish(given: list[Action]) -> Iterator[str]:
    yield "# Completion of jobwait for fish: put this into ~/.config/fish/completions/jobwait.fish."
    yield "complete -c jobwait -f"
    for option in given:
        names = (
            f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
            for name in option.option_strings
        )
        parts = ["complete -c jobwait", *names]
        if _takes_value(option):
            parts.append("-r")
        if option.choices:
            parts.append(f"-fa {_quoted(' '.join(option.choices))}")
        elif option.dest in _FILES:
            parts.append("-F")
        yield f"{' '.join(parts)} -d {_quoted(_brief(option))}"


def _brief(option: Action) -> str:
    """Return the help up to its first pause: a menu has one line for it."""
    text = (option.help or "").partition("(")[0].partition(":")[0].partition(";")[0]
    return text.strip().rstrip(",").replace("[", "(").replace("]", ")")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", r"'\''") + "'"
