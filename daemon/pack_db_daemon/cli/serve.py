import logging
import sys

import click


@click.command()
def serve() -> None:
    """Own the database and answer calls until SIGTERM or SIGINT."""
    # Imported here: the commands that only call the daemon start faster without Peewee.
    from pack_db.impls.service_factory import ServiceFactory
    from pack_db_daemon.serve import serve as serve_until_stopped

    factory = ServiceFactory.get_instance()
    try:
        logging.basicConfig(
            stream=sys.stderr,
            level=factory.get_config().log_level,
            format="%(levelname)s %(name)s: %(message)s",
        )
        serve_until_stopped(factory)
    finally:
        ServiceFactory.reset()
