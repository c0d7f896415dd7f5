"""Where SQL metrics are read from: the server they name, or a URL of their own."""

from __future__ import annotations

from pathlib import Path

from exporter.settings import read_urls
from model.sql import SqlMetrics, SqlValue
from model.targets import Postgres

SERVER = Postgres(url="postgresql://config/x")


def sql(variable: str = "") -> SqlMetrics:
    value = SqlValue(column="n", metric_name="shop_n", help="A figure.")
    return SqlMetrics(name="shop", variable=variable, query="SELECT 1 AS n", values=(value,))


def test_without_a_variable_they_share_the_servers_url_wherever_that_is_from() -> None:
    assert read_urls({}, (SERVER, sql()))["shop"] == "postgresql://config/x"
    given = {"DATABASE_URL": "postgresql://environment/x"}
    assert read_urls(given, (SERVER, sql()))["shop"] == "postgresql://environment/x"


def test_with_a_variable_they_have_a_role_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://reader:secret@environment/x\n")
    environment = {"DATABASE_URL": "postgresql://environment/x", "SHOP_URL_FILE": str(file)}
    urls = read_urls(environment, (SERVER, sql("SHOP_URL")))
    assert urls["postgresql"] == "postgresql://environment/x"
    assert urls["shop"] == "postgresql://reader:secret@environment/x"
    assert read_urls({}, (SERVER, sql("SHOP_URL")))["shop"] == "postgresql://config/x"
