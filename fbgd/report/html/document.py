"""The page itself: template, style, script and data in one file that asks for nothing else."""

import base64
import hashlib
import json
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from fbgd.report.html.bars import WIDTH
from fbgd.report.html.data import StudyReport

HERE = Path(__file__).parent
SCRIPTS = ("plot.js", "curves.js", "report.js")
# Signs that could end the script element or begin a comment in it; U+2028 and U+2029 end lines in old scripts.
ESCAPES = {sign: f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


def document(reports: Sequence[StudyReport], version: str = "") -> str:
    """The page of one or several studies; the same for the same reports.

    Args:
        reports: of the studies.
        version: of the files that it was made of, where a server remakes it; empty for a page that stays as it is.
    """
    style, script = asset("style.css"), whole_script()
    titles = [report.page.title for report in reports]
    return (
        environment()
        .get_template("template.html")
        .render(
            title=titles[0] if len(titles) == 1 else f"{len(titles)} studies: {'; '.join(titles)}",
            reports=reports,
            version=version,
            policy=policy(style, script, "'self'" if version else "'none'"),
            style=Markup(style),
            script=Markup(script),
            data=Markup(to_script([report.embedded for report in reports])),
            bar_width=WIDTH,
        )
    )


def problem_document(text: str, version: str) -> str:
    """A page that says why there is no other, until the files change."""
    style, script = asset("style.css"), whole_script()
    return (
        environment()
        .get_template("problem.html")
        .render(
            text=text,
            version=version,
            policy=policy(style, script, "'self'"),
            style=Markup(style),
            script=Markup(script),
        )
    )


@cache
def environment() -> Environment:
    """The templates of this package: whatever stands in data is text, never markup."""
    found = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    found.filters["plain"] = plain
    return found


@cache
def asset(name: str) -> str:
    """A file of this package."""
    return (HERE / name).read_text(encoding="utf-8")


@cache
def whole_script() -> str:
    """The page's script, whose names are its own."""
    return "".join(["(() => {\n'use strict';\n", *map(asset, SCRIPTS), "})();\n"])


def plain(number: float) -> str:
    """A number of a picture or an attribute, in no more digits than it needs."""
    return f"{number:.10g}"


def policy(style: str, script: str, connections: str) -> str:
    """What the page may do: run this script and apply this style, by their digests; load nothing from anywhere."""
    return (
        f"default-src 'none'; img-src data:; style-src {digest(style)}; script-src {digest(script)}; "
        f"connect-src {connections}; base-uri 'none'; form-action 'none'"
    )


def digest(text: str) -> str:
    """The digest by which a browser knows an element's text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def to_script(content: object) -> str:
    """JSON that may stand in a script element; numbers that JSON has not become ``null``.

    >>> to_script({"</script>": float("nan")})
    '{"\\\\u003c/script\\\\u003e":null}'
    """
    text = json.dumps(finite(content), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return "".join(ESCAPES.get(sign, sign) for sign in text)


def finite(content: object) -> object:
    """The same with ``None`` for every number that is none."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, dict):
        return {key: finite(value) for key, value in content.items()}
    return [finite(value) for value in content] if isinstance(content, list | tuple) else content
