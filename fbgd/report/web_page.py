"""A page as one HTML file without scripts: to mail, to print, to put behind a link."""

from html import escape

Table = tuple[str, list[str], list[list[str]], int]

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
div { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1rem 0; }
th, td { border-bottom: 1px solid #8886; padding: .25rem .75rem; text-align: right; white-space: nowrap; }
thead th { border-bottom: 2px solid currentColor; }
.words { text-align: left; white-space: normal; }
"""


def document(title: str, tables: list[Table], paragraphs: list[str]) -> str:
    """A document in the reader's light or dark colours.

    Args:
        title: above everything.
        tables: a heading, which may be empty, the column names, the rows, and how many columns are words.
        paragraphs: under the tables.
    """
    bodies = [
        (f"<h2>{escape(heading)}</h2>\n" if heading else "") + table(header, rows, left)
        for heading, header, rows, left in tables
    ]
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            f'<head><meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style></head>',
            f"<body><h1>{escape(title)}</h1>",
            *bodies,
            *(f"<p>{escape(paragraph)}</p>" for paragraph in paragraphs),
            "</body></html>\n",
        ]
    )


def table(header: list[str], rows: list[list[str]], left: int) -> str:
    """A table whose first ``left`` columns are words, which head their rows."""

    def line(texts: list[str], tag: str) -> str:
        kinds = ["th", *[tag] * (len(texts) - 1)]
        classes = [' class="words"' if place < left else "" for place in range(len(texts))]
        cells = zip(kinds, classes, map(escape, texts), strict=True)
        return "<tr>" + "".join(f"<{kind}{words}>{text}</{kind}>" for kind, words, text in cells) + "</tr>"

    body = "\n".join(line(row, "td") for row in rows)
    return f"<div><table><thead>{line(header, 'th')}</thead>\n<tbody>{body}</tbody></table></div>"
