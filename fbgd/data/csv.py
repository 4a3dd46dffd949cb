"""A table of the user's own: rows are samples, one column is the target, the others are features."""

from pathlib import Path

import pandas as pd

from fbgd.data.assemble import assemble
from fbgd.data.dataset import Arrays
from fbgd.data.files import DataError
from fbgd.errors import nearest


def csv(
    path: str | None = None,
    target: str | None = None,
    test_path: str | None = None,
    drop: list[str] | None = None,
    regression: bool = False,
    test_share: float = 0.2,
    separator: str = ",",
    seed: int = 0,
) -> Arrays:
    """Load features (N, F) and targets from a CSV file with a line of column names.

    Columns of texts become one feature for each text that the training data have, 1 where it is there and 0 elsewhere.
    Like all inputs, features are normalised one by one, by mean and deviation of the training set.

    Args:
        path: the file.
        target: the column with labels, or with numbers of a regression.
        test_path: a file with the test data; ``None``: a share of the rows is held out.
        drop: columns that are no features.
        regression: whether targets are numbers to be approximated.
        test_share: of the rows, in (0, 1).
        separator: between columns.
        seed: of the share that is held out.

    Raises:
        DataError: a file is missing or unreadable, a column is not there, or a value is missing.
        ValueError: an option is outside its range.
    """
    if path is None or target is None:
        raise ValueError("path and target are needed: set data.source.path=FILE.csv data.source.target=COLUMN")
    files = [path] if test_path is None else [path, test_path]
    tables = [read_table(Path(file).expanduser(), separator, [target, *(drop or [])]) for file in files]
    features = [table.drop(columns=[target, *(drop or [])]) for table in tables]
    if len(tables) == 2 and set(features[0]) != set(features[1]):
        strange = sorted(set(features[0]) ^ set(features[1]))[0]
        raise DataError(f"{path} and {test_path}: the column {strange!r} is in one of them only")
    if features[0].shape[1] == 0:
        raise DataError(f"{path} has no column beside {target!r} that could be a feature")
    texts = [name for name in features[0] if any(not is_numeric(table[name]) for table in features)]
    known = {name: sorted(features[0][name].astype(str).unique()) for name in texts}
    numbers = [encode(table[list(features[0])], known).to_numpy("float32") for table in features]
    train, *rest = [(inputs, own[target].to_numpy()) for inputs, own in zip(numbers, tables, strict=True)]
    facts = {"features": numbers[0].shape[1]}
    test = rest[0] if rest else None
    return assemble(path, train, test, regression=regression, test_share=test_share, seed=seed, facts=facts)


def is_numeric(column: pd.Series) -> bool:
    """Whether a column holds numbers, or true and false."""
    return pd.api.types.is_numeric_dtype(column)


def read_table(file: Path, separator: str, wanted: list[str]) -> pd.DataFrame:
    """A table without gaps that has the ``wanted`` columns."""
    try:
        table = pd.read_csv(file, sep=separator, skipinitialspace=True)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"{file} cannot be read: {' '.join(str(error).split())}") from None
    for name in wanted:
        if name not in table:
            raise DataError(f"{file} has no column {name!r}; {nearest(name, map(str, table))}")
    gaps = table.drop(columns=wanted[1:]).isna()
    if gaps.to_numpy().any():
        column = gaps.any().idxmax()
        line = int(gaps[column].to_numpy().argmax()) + 2
        raise DataError(
            f"{file}, line {line}: the column {column!r} has no value; fill it in, leave the line out, or leave the "
            f"column out with data.source.drop=[{column}]"
        )
    return table


def encode(features: pd.DataFrame, known: dict[str, list[str]]) -> pd.DataFrame:
    """Features as numbers; columns of texts become one for each of their ``known`` texts."""
    columns: dict[str, pd.Series] = {}
    for name in features:
        if name not in known:
            columns[str(name)] = features[name].astype("float32")
            continue
        for text in known[name]:
            columns[f"{name}={text}"] = (features[name].astype(str) == text).astype("float32")
    return pd.DataFrame(columns)
