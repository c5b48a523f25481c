import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def add_data_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIRECTORY",
        help="where loaded databases are kept for another time",
    )


@contextmanager
def data_directory(kept: Path | None) -> Iterator[Path]:
    """Where loaded databases go; without `--data`, as long as the `with` block lasts."""
    if kept is not None:
        yield kept
    else:
        with tempfile.TemporaryDirectory() as directory:
            yield Path(directory)
