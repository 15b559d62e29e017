# SPDX-License-Identifier: MIT
# ruff: noqa: INP001 - Sphinx runs this file; it is no module
"""How the site is built: ``sphinx-build -W -n --keep-going -b html docs docs/_build/html``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from pydantic import BaseModel
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

import jobwait  # noqa: E402 - the clone's own, installed or not
from jobwait.simulator import Durations, Request, SimulatedJob  # noqa: E402 - the same

project = "jobwait"
author = "The jobwait developers"
project_copyright = "The jobwait developers"
release = version = jobwait.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
# A clone may lack one of these; the page that shows it is then left out, and so is its entry.
exclude_patterns += [
    f"about/{name.lower()}.md"
    for name in ("CHANGELOG", "SECURITY")
    if not (ROOT / f"{name}.md").is_file()
]

suppress_warnings = ["toc.empty_glob"]  # where both are left out

html_theme = "furo"
html_title = f"jobwait {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {"navigation_with_keys": True}
html_show_sourcelink = False
pygments_style = "tango"
pygments_dark_style = "monokai"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_type_aliases = {
    name: f"jobwait.{name}"
    for name in (
        "Job",
        "JobLike",
        "JobStream",
        "Jobs",
        "OnEnd",
        "OnPoll",
        "OutcomeWord",
        "ReturnWhen",
    )
} | {"Duration": "jobwait.simulator.Duration"}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

nitpicky = True
# The site is built without a network, so that names of other projects have no page to point to;
# every name of jobwait's own must have one.
nitpick_ignore_regex = [(r"py:.*", r"(?!jobwait\b).*")]


def _tidy_signature(
    _app: Sphinx,
    what: str,
    _name: str,
    documented: Any,
    _options: Any,
    signature: str | None,
    returns: str | None,
) -> tuple[str, str | None] | None:
    """Leave out how to make what only jobwait makes, and call types by their short names."""
    if signature is None:
        return None
    made_here = (BaseModel, jobwait.JobwaitError, jobwait.Poll, jobwait.Outcome, SimulatedJob)
    if what in ("class", "exception") and issubclass(documented, (*made_here, Request, Durations)):
        return "", None
    return _plain(signature), returns and _plain(returns)


def _plain(signature: str) -> str:
    signature = re.sub(r"TypeAliasForwardRef\('([\w.]+)'\)", r"\1", signature)
    signature = signature.replace("<built-in function monotonic>", "time.monotonic")
    return re.sub(r"\bjobwait\.(simulator\.)?(?=[A-Z])", "", signature)


def _find_where_it_is_public(
    app: Sphinx, environment: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.Element | None:
    """Point to the name under which a thing is documented: not its room's, and be it no class."""
    if node.get("refdomain") != "py":
        return None
    public = ".".join(part for part in node["reftarget"].split(".") if part[:1] != "_")
    return environment.domains.python_domain.resolve_xref(
        environment, node.get("refdoc"), app.builder, "obj", public, node, content
    )


def setup(app: Sphinx) -> None:
    """Connect what autodoc cannot know by itself."""
    app.connect("autodoc-process-signature", _tidy_signature)
    app.connect("missing-reference", _find_where_it_is_public)
