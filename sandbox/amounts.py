"""Sums of money and percentages that a table holds as text, as numbers beside it; inside the child.

frame, code, note = with_numbers(frame)     # "Price" is "$1,200.50": "Price (number)" is 1200.5
"""

import re

import pandas as pd

from sandbox import layouts

SAMPLE_CELLS = 100
MOST_TOLD = 3
CURRENCY = r"(?:US|A|C|HK|NZ)?\$|[€£¥₹₽₩]|USD|EUR|GBP|CHF|JPY|Rs|kr"
NOTHING = r"|[-–—]+|n/?a|N/?A|nil|TBC|TBD"
# With a dot before three digits alone, nobody can tell thousands from thousandths.
EITHER = r"[^,.]*\d{1,3}(?:\.\d{3})+[^,.\d]*"
MOST_CHARS = 40
POINT, COMMA = r"(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?", r"(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d+)?"


def with_numbers(frame: pd.DataFrame) -> tuple[pd.DataFrame, str, str]:
    """Returns the table with a column of numbers for each such column, code that adds them, and a note."""
    made: dict[str, str] = {}
    decimal_commas = []
    for place, name in enumerate(frame.columns):
        column = frame.iloc[:, place]
        if column.dtype != "str" or (mark := _decimal(column)) is None:
            continue
        number = layouts.free_name(f"{name} (number)", {str(other).lower() for other in frame.columns})
        made[number] = name
        if mark == ",":
            decimal_commas.append(name)
    if not made:
        return frame, "", ""
    code = ""
    for comma in (False, True):
        of = {number: name for number, name in made.items() if (name in decimal_commas) == comma}
        if of:
            change = _change(comma)
            code += f".pipe(lambda t: t.assign(**{{n: {change} for n, c in {of!r}.items()}}))"
    told = ", ".join(f"{name!r} as numbers in {number!r}" for number, name in [*made.items()][:MOST_TOLD])
    return eval(f"t{code}", {"t": frame, "pd": pd}), code, told  # the very code that is shown


def _change(decimal_comma: bool) -> str:
    kept = "," if decimal_comma else "."
    plain = rf"t[c].str.replace(r'\((.*)\)', r'-\1', regex=True).str.replace(r'[^\d{kept}-]', '', regex=True)"
    plain += ".str.replace(',', '.')" if decimal_comma else ""
    return f"pd.to_numeric({plain}, errors='coerce')"


def _decimal(column: pd.Series) -> str | None:
    """What stands before the decimals of a column of amounts: "." or ","; None for any other column."""
    few = column.dropna().iloc[:SAMPLE_CELLS].str.strip()
    if not few.str.contains(r"\d").any() or few.str.len().max() > MOST_CHARS:
        return None
    for mark, number in ((".", POINT), (",", COMMA)):
        amount = re.compile(
            rf"\(?[-+]? ?(?:{CURRENCY}) ?[-+]?{number} ?\)?|[-+]? ?{number} ?(?:%|{CURRENCY})|{NOTHING}"
        )
        if not few.str.fullmatch(amount).all():
            continue
        cells = column.dropna().str.strip()
        if cells.str.len().max() > MOST_CHARS or not cells.str.fullmatch(amount).all():
            continue
        dotted = cells[cells.str.contains(".", regex=False)]
        return None if len(dotted) and dotted.str.fullmatch(EITHER).all() else mark
    return None
