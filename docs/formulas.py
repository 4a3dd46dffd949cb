"""Docstrings are reStructuredText where they have formulas and references; the pages are Markdown."""

import re
from textwrap import dedent

import griffe


class Formulas(griffe.Extension):
    """Rewrites formulas and references of every docstring before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **_) -> None:
        if obj.docstring:
            obj.docstring.value = to_markdown(obj.docstring.value)


def to_markdown(text: str) -> str:
    """Formulas between the signs that MathJax reads, references as code."""
    text = re.sub(r"^( *)\.\. math::(.*(?:\n+\1 +.*)*)", displayed, text, flags=re.MULTILINE)
    text = re.sub(r":math:`([^`]*)`", r"\\(\1\\)", text)
    return re.sub(r":(?:class|func|data|meth|mod):`~?([^`]*)`", r"`\1`", text)


def displayed(match: re.Match) -> str:
    """A formula in a paragraph of its own."""
    lines = dedent(match.group(2).lstrip("\n") if match.group(2).startswith("\n") else match.group(2)).strip()
    return f"{match.group(1)}\\[ " + " ".join(lines.split()) + " \\]\n"
