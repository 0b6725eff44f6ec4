"""What the readers of texts, workbooks and databases hand on, inside the child."""

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Found:
    """A table as it was found in a file.

    Attributes:
        name: Of the sheet, of the database's table, or which part of a text; "" in a file of one table.
        load: Code that reads the same.
        note: What was unusual and what was decided, "" if nothing.
    """

    name: str
    frame: pd.DataFrame
    load: str
    note: str = ""
