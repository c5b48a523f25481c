import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from pack_db_daemon.cli.common.configuration import configuration
from pack_db_daemon.cli.common.output import Output, with_output

_FIRST = '''"""{name}

A new database gets the tables of these models as they are by then, and no later script. Whoever
changes a model adds a script, for the databases that are there already.
"""

{imports}

MODELS = [{models}]
'''
_LATER = '''"""{name}"""

import peewee
from playhouse.migrate import SchemaMigrator


def up(migrator: SchemaMigrator, db: peewee.Database) -> None:
    # migrator.migrate(migrator.add_column("notes", "stars", peewee.IntegerField(default=0)))
    # db.execute_sql("UPDATE notes SET stars = 1")
    raise NotImplementedError("say what this migration does")
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class NewScript:
    file: str


@click.command()
@click.argument("name")
@click.option("--package", help="Whose, if the configuration has migrations of several.")
@with_output
def new(out: Output, name: str, *, package: str | None) -> None:
    """Write the next numbered script of a package's migrations, to be filled in.

    The first one creates the tables of the package's Peewee models. SERVICE_FACTORY names the
    package, and its 'migrations' the directory.

    \b
    Examples:
      pack-db migrate new tables
      pack-db migrate new "add stars" --package notes
    """
    import peewee
    from playhouse.migrations import Runner

    from pack_db.configured_factory import migrations_of_others

    theirs = migrations_of_others(configuration())
    directory = theirs[_chosen(theirs, package)]
    runner = Runner(peewee.SqliteDatabase(None), str(directory))
    body = _LATER.format(name=name) if runner.migrations() else _first(name, directory.parent)
    out.rows([[NewScript(file=runner.create(name, body))]], ["file"])


def _chosen(packages: Mapping[str, Path], package: str | None) -> str:
    if package is None and len(packages) == 1:
        [package] = packages
    if package is None or package not in packages:
        names = ", ".join(packages) or "none, as SERVICE_FACTORY names no factory with migrations"
        raise click.BadParameter(f"name one of the packages: {names}", param_hint="--package")
    return package


def _first(name: str, package: Path) -> str:
    models = sorted(_models_in(package), key=lambda model: model.__name__)
    names = ", ".join(model.__name__ for model in models)
    imports = "\n".join(sorted(f"from {m.__module__} import {m.__name__}" for m in models))
    return _FIRST.format(name=name, models=names, imports=imports or "# There is no model yet.")


def _models_in(package: Path) -> Iterator[type]:
    import peewee

    parents: list[type] = [peewee.Model]
    while parents:
        model = parents.pop()
        parents += model.__subclasses__()
        file = getattr(sys.modules.get(model.__module__), "__file__", None)
        if file and package in Path(file).parents:
            yield model
