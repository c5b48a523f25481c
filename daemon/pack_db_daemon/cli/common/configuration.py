import click

from pack_db.config import Config


def configuration() -> Config:
    """The configuration of the command that runs, read once in its life."""
    return click.get_current_context().ensure_object(Config)
