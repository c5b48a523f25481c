from pathlib import Path

from tests.own_services.echo import Colour, Echo, Everything, Label, Point, Size
from tests.support.running_daemon import running_daemon

ROOT = Path(__file__).parents[2]


def test_every_type_that_an_interface_may_name_travels_there_and_back() -> None:
    everything = Everything(inner=Everything(text="inner"))
    arguments = (
        everything,
        Colour.RED,
        Size.LARGE,
        Point(3, 4.5),
        Label(text="label"),
        b"\xff",
        {"key": everything},
    )
    settings = {
        "PYTHONPATH": str(ROOT),
        "SERVICE_FACTORY": "tests.own_services.echo:EchoFactory",
    }
    with running_daemon(settings) as daemon, daemon.client() as db:
        result = db.service("echo", Echo).echo(*arguments)
    assert result == arguments
    assert [type(value) for value in result] == [type(value) for value in arguments]
    assert type(result[0].point) is Point
    assert result[0].colour is Colour.RED
