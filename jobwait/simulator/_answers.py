# SPDX-License-Identifier: MIT
"""The form of what Asana answers: the envelope, the errors, and the fields that were asked for.

This file does not know jobs, nor which request deserves which answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from random import Random
from typing import Any, NamedTuple
from urllib.parse import parse_qs

_JSON = {"Content-Type": "application/json; charset=UTF-8"}
_HTML = {"Content-Type": "text/html; charset=UTF-8"}
_HELP = "The simulator follows Asana's own errors: https://developers.asana.com/docs/errors"
_BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>\n"

_compact = json.JSONEncoder(separators=(",", ":")).encode
_pretty = json.JSONEncoder(indent=2).encode

# Asana's phrases read like "6 sad squid snuggle softly"; these words are the simulator's own.
_ADJECTIVES = ("amber", "brave", "calm", "drowsy", "eager", "fuzzy", "gentle", "humble")
_ANIMALS = ("badgers", "cranes", "dormice", "egrets", "finches", "geese", "herons", "ibexes")
_VERBS = ("amble", "bounce", "chatter", "dawdle", "exhale", "fidget", "giggle", "hover")
_ADVERBS = ("aloud", "briskly", "calmly", "daily", "early", "freely", "gladly", "happily")


class Answer(NamedTuple):
    """What goes back to the client, but for the headers that belong to the connection."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Refused(Exception):  # noqa: N818 - an answer that cuts the way short, and no error of ours
    """A request that ends with an error, which the client gets to see."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(status, message)
        self.answer = error(status, message, headers)


def error(
    status: int, message: str, headers: Mapping[str, str] | None = None, *, phrase: str = ""
) -> Answer:
    """Return an error in the form of Asana's; a phrase is for status 500 only."""
    detail = {"message": message, "help": _HELP}
    if phrase:
        detail["phrase"] = phrase
    return Answer(status, _JSON | dict(headers or {}), _compact({"errors": [detail]}).encode())


def bad_gateway() -> Answer:
    """Return what a proxy in front of Asana answers when it cannot reach it: HTML."""
    return Answer(502, _HTML, _BAD_GATEWAY)


def draw_phrase(rng: Random) -> str:
    """Return a phrase by which, at the real Asana, support would find a server error."""
    words = (rng.choice(words) for words in (_ADJECTIVES, _ANIMALS, _VERBS, _ADVERBS))
    return f"{rng.randint(2, 30)} {' '.join(words)}"


class Wanted(NamedTuple):
    """How the client wants its answer.

    Attributes:
        fields: The names asked for, and of each the names asked for inside it; None if the
            client left the choice to Asana.
        pretty: Whether the answer is for human eyes.
    """

    fields: Mapping[str, frozenset[str]] | None
    pretty: bool


@lru_cache(maxsize=64)
def read_query(query: str) -> Wanted:
    """Read ``opt_fields`` and ``opt_pretty``; anything else in a query is ignored."""
    options = parse_qs(query, keep_blank_values=True)
    pretty = options.get("opt_pretty", ["false"])[-1] != "false"
    if "opt_fields" not in options:
        return Wanted(None, pretty)
    fields: dict[str, frozenset[str]] = {}
    for path in ",".join(options["opt_fields"]).split(","):
        name, _, inner = path.strip().partition(".")
        fields[name] = fields.get(name, frozenset()) | ({inner} if inner else frozenset())
    return Wanted(fields, pretty)


def success(status: int, record: dict[str, Any], wanted: Wanted) -> Answer:
    """Return a record in Asana's envelope, with the fields that were asked for."""
    envelope = {"data": select(record, wanted.fields)}
    text = _pretty(envelope) + "\n" if wanted.pretty else _compact(envelope)
    return Answer(status, _JSON, text.encode())


def select(record: dict[str, Any], fields: Mapping[str, frozenset[str]] | None) -> dict[str, Any]:
    """Return the part of a record that was asked for.

    Names that the record does not have are ignored, and ``gid`` is there unasked.  An object
    asked for without a word on its inside shows its gid and its type: the least that may be
    expected, as Asana's documentation does not say.
    """
    if fields is None:
        return record
    selected = {}
    for name, value in record.items():
        if isinstance(value, dict) and name in fields:
            inside = fields[name] or {"resource_type"}
            selected[name] = select(value, dict.fromkeys(inside, frozenset()))
        elif name == "gid" or name in fields:
            selected[name] = value
    return selected
