# SPDX-License-Identifier: MIT
r"""The templates of ``--format``: ``'{gid}\t{name}'`` is a line for each result.

This file does not know where the values come from.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

PLACEHOLDERS = (
    "completed_at",
    "created_at",
    "download_url",
    "elapsed_s",
    "field",
    "gid",
    "job",
    "name",
    "polls",
    "resource_type",
    "status",
    "url",
)
_ESCAPES = {r"\t": "\t", r"\n": "\n", r"\\": "\\", "{{": "{", "}}": "}"}
_PART = re.compile(r"\\[tn\\]|\{\{|\}\}|\{([^{}]*)\}|([{}])")


class Template:
    r"""What ``--format`` says: text, placeholders in braces, ``\t``, ``\n``, ``{{`` and ``}}``.

    Args:
        text: The template.

    Raises:
        ValueError: It holds an unknown placeholder, or a brace without its other.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        for part in _PART.finditer(text):
            name, brace = part.groups()
            if brace:
                raise ValueError(f"a lone '{brace}' in the template: double it to have it shown")
            if name is not None and name not in PLACEHOLDERS:
                raise ValueError(
                    f"unknown placeholder {part[0]!r}; there are {', '.join(PLACEHOLDERS)}"
                )

    def __str__(self) -> str:
        return self.text

    def fill(self, values: Mapping[str, str]) -> str:
        """Return the template with each placeholder replaced by its value."""
        return _PART.sub(
            lambda part: _ESCAPES[part[0]] if part[1] is None else values[part[1]], self.text
        )
