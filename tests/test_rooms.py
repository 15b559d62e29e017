# SPDX-License-Identifier: MIT
"""The order of the rooms: imports point one way, and only public names are public."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import types
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import jobwait

PACKAGE = Path(jobwait.__file__).parent

# Each may import what stands before it.  Those of one line do not know each other.
ORDER = (
    ("_version", "_text"),
    ("_models",),
    ("_errors",),
    ("_policy",),
    ("_protocol",),
    ("_budget",),
    ("_engine",),
    ("_outcome",),
    ("_many",),
    ("_transport",),
    ("_base_client",),
    ("_async_client",),
    ("_client",),
    ("_wait",),
    ("__init__",),
)
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}

# Who may know a library; everybody else is kept from it.
ALONE = {
    "tenacity": {"_engine"},
    "httpx": {"_transport", "_base_client", "_client", "_async_client"},
    "httpcore": {"_transport", "_base_client", "_client", "_async_client"},
    "anyio": set[str](),
    "sniffio": set[str](),
}


def files(folder: str = "") -> list[Path]:
    return sorted((PACKAGE / folder).rglob("*.py") if folder else PACKAGE.glob("*.py"))


def imported(file: Path) -> Iterator[tuple[str, str]]:
    """Yield what a file imports anywhere in it, as a module and a name of it ('' for all of it)."""
    package = ["jobwait", *file.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            yield from ((module, alias.name) for alias in node.names)


def of_jobwait(file: Path) -> Iterator[tuple[str, str]]:
    """Yield each import from jobwait as the room that it comes from and the name taken."""
    for module, name in imported(file):
        root, _, inside = module.partition(".")
        if root == "jobwait":
            is_room = not inside and (
                (PACKAGE / f"{name}.py").exists() or (PACKAGE / name).is_dir()
            )
            yield (name, "") if is_room and name else (inside, name)


def ids(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


def test_imports_are_read_as_they_are_written(tmp_path: Path) -> None:
    """The reader of imports is a test's own code, so it is tested as well."""
    file = PACKAGE / "cli" / "made_up.py"
    code = "import a.b, c\nfrom d import e\ndef f():\n    from . import g\n    from .h import i\n"
    code += "    from .. import j\nfrom ..k import l as m\nif TYPE_CHECKING:\n    import n\n"
    (tmp_path / "made_up.py").write_text(code, "utf-8")
    stand_in = types.SimpleNamespace(
        relative_to=file.relative_to, read_text=(tmp_path / "made_up.py").read_text
    )
    assert set(imported(stand_in)) == {  # type: ignore[arg-type]
        ("a.b", ""),
        ("c", ""),
        ("d", "e"),
        ("jobwait.cli", "g"),
        ("jobwait.cli.h", "i"),
        ("jobwait", "j"),
        ("jobwait.k", "l"),
        ("n", ""),
    }


def test_every_file_has_its_place_in_the_order() -> None:
    assert {file.stem for file in files()} - {"__main__"} <= RANK.keys()
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir()} - {"__pycache__"}
    assert folders == {"cli", "simulator"}


@pytest.mark.parametrize("file", [file for file in files() if file.stem in RANK], ids=ids)
def test_imports_point_one_way(file: Path) -> None:
    """Those inside functions and those for type checkers count too."""
    allowed = {room for room, rank in RANK.items() if rank < RANK[file.stem]}
    assert {room.split(".")[0] for room, _ in of_jobwait(file)} <= allowed


@pytest.mark.parametrize("library", ALONE)
def test_a_library_is_known_to_its_own_rooms_alone(library: str) -> None:
    knowing = {
        ids(file).removesuffix(".py")
        for file in PACKAGE.rglob("*.py")
        if library in {module.split(".")[0] for module, _ in imported(file)}
    }
    assert knowing <= ALONE[library]


def test_the_rooms_that_should_know_a_library_do() -> None:
    """Else the test above would pass for a name that is misspelt."""
    assert "tenacity" in dict(imported(PACKAGE / "_engine.py"))
    assert "httpx" in dict(imported(PACKAGE / "_transport.py"))


@pytest.mark.parametrize("file", files("cli"), ids=ids)
def test_the_command_is_built_on_public_names(file: Path) -> None:
    for room, name in of_jobwait(file):
        inside = room.split(".")[0]
        if inside == "":
            assert name in jobwait.__all__
        elif inside == "simulator":
            assert room == "simulator", "the simulator's rooms are its own"
            assert name in import_module("jobwait.simulator").__all__
        else:
            assert inside in {"cli", "_text", "_version"}


@pytest.mark.parametrize("file", files("simulator"), ids=ids)
def test_the_simulator_does_not_know_the_client(file: Path) -> None:
    """It stands in for Asana, so it must not share our idea of what an answer means."""
    rooms = {room.split(".")[0] for room, _ in of_jobwait(file)}
    assert rooms <= {"simulator", "_models", "_version"}


# What is public


def in_a_fresh_process(code: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True, cwd=PACKAGE.parent
    )
    found: list[str] = json.loads(done.stdout)
    return found


def test_the_public_names_are_sorted_and_each_is_there() -> None:
    assert jobwait.__all__ == sorted(set(jobwait.__all__))
    for name in jobwait.__all__:
        assert getattr(jobwait, name) is not None
        assert getattr(jobwait, name) is getattr(jobwait, name)


def test_each_public_name_is_what_a_type_checker_takes_it_for() -> None:
    """What is imported for type checkers and what is loaded on first use are the same."""
    declared = {
        name: module
        for module, name in imported(PACKAGE / "__init__.py")
        if module.startswith("jobwait.")
    }
    assert sorted(declared) == jobwait.__all__
    for name, module in declared.items():
        assert getattr(import_module(module), name) is getattr(jobwait, name)


def test_dir_is_the_public_names_before_and_after_their_use() -> None:
    code = "import json, jobwait; print(json.dumps(dir(jobwait)))"
    assert in_a_fresh_process(code) == jobwait.__all__
    for name in jobwait.__all__:
        getattr(jobwait, name)
    assert dir(jobwait) == jobwait.__all__


def test_a_star_import_takes_the_public_names() -> None:
    code = "import json; given = set(globals()); from jobwait import *; "
    code += "print(json.dumps(sorted(set(globals()) - given - {'given'})))"
    assert set(in_a_fresh_process(code)) | {"__version__"} == set(jobwait.__all__)


def test_nothing_else_leaks() -> None:
    code = "import json, jobwait; [getattr(jobwait, name) for name in jobwait.__all__]; "
    code += "print(json.dumps([name for name in vars(jobwait) if name[0] != '_']))"
    leaked = set(in_a_fresh_process(code)) - set(jobwait.__all__)
    assert leaked <= {"TYPE_CHECKING"}


@pytest.mark.parametrize("name", ["wait", "Client", "_nothing", "__path", "JobwaitErrors", ""])
def test_an_unknown_name_is_an_attribute_error(name: str) -> None:
    with pytest.raises(AttributeError, match=f"^module 'jobwait' has no attribute '{name}'$"):
        getattr(jobwait, name)


def test_to_import_jobwait_costs_nothing_dear() -> None:
    code = "import json, sys, jobwait; jobwait.__version__; print(json.dumps(sorted(sys.modules)))"
    loaded = set(in_a_fresh_process(code))
    assert "jobwait._version" in loaded
    assert not loaded & {"httpx", "httpcore", "tenacity", "pydantic", "anyio"}
