"""Tables for other programs: each as Parquet, CSV and JSON lines. The same rows give the same bytes.

CSV files are what people open in a spreadsheet. Titles and tags are untrusted, and there a cell that begins with `=`,
`+`, `-` or `@` is a formula: such texts get an apostrophe before them (OWASP, "CSV Injection"). Numbers stay numbers,
and Parquet and JSON lines hold every text as it is.
"""

import json
import re
from pathlib import Path

import pandas as pd

FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
"""Texts that a spreadsheet may take for a formula; it reads the wide forms of East Asian keyboards alike."""
BOM = "\ufeff"


def _dated(table: pd.DataFrame) -> pd.DataFrame:
    """Times as days: YYYY-MM-DD, missing ones missing."""
    times = table.select_dtypes("datetime").columns
    return table.assign(**{name: table[name].dt.strftime("%Y-%m-%d").astype(object) for name in times})


def harmless(table: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before every text that would be a formula in a spreadsheet."""
    texts = [name for name in table if pd.api.types.is_string_dtype(table[name]) or table[name].dtype == object]
    return table.assign(**{name: table[name].map(_plain, na_action="ignore") for name in texts})


def _plain(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def as_csv(table: pd.DataFrame, excel: bool = False) -> bytes:
    """CSV in UTF-8; empty where nothing is known.

    Args:
        table: any.
        excel: whether a byte order mark goes first, by which Excel knows UTF-8.
    """
    text = harmless(_dated(table)).to_csv(index=False, lineterminator="\n", float_format="%.10g")
    return ((BOM if excel else "") + text).encode("utf-8")


def as_lines(table: pd.DataFrame) -> bytes:
    """One JSON object a line, in UTF-8; null where nothing is known."""
    rows = _dated(table).astype(object).where(table.notna(), None).to_dict("records")
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode("utf-8")


def write_tables(folder: Path, tables: dict[str, pd.DataFrame], excel: bool = False) -> None:
    """Write `NAME.parquet`, `NAME.csv` and `NAME.jsonl` of each table.

    Args:
        folder: where to.
        tables: by name.
        excel: as for `as_csv`.
    """
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
        (folder / f"{name}.csv").write_bytes(as_csv(table, excel))
        (folder / f"{name}.jsonl").write_bytes(as_lines(table))
