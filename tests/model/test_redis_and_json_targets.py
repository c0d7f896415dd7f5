"""What may be said of a Redis, a Sentinel and a remote JSON document, and what may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from model import JsonState, JsonTarget, JsonValue, Redis, RedisKey, Sentinel, hours, seconds
from model.load import load
from model.overlay import Addresses, relocate

ROOT = Path(__file__).resolve().parents[2]


def said(declared: type[Any], /, **settings: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        declared(**settings)
    return str(caught.value)


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"url": "redis://redis/first"}, "must end with a database's number"),
        ({"url": "redis://redis/0?ssl_ca_certs=x"}, "settings such as ca_file stand in the config"),
        ({"url": "unix:///run/redis.sock"}, "must start with redis:// or rediss://"),
        ({"url": "redis://:secret@redis"}, "a password does not belong in the config"),
        ({"cert_file": "cert.pem"}, "cert_file and key_file: give both"),
        ({"config_command": " "}, "write None not to send it"),
        ({"sentinels": ("sentinel:26379",)}, "master_name: is missing"),
        ({"sentinel_username": "me", "master_name": "x"}, "needs sentinel_password_file"),
        ({"master_name": ""}, "master_name: is empty"),
        *[
            ({"master_name": "x", "sentinels": (place,)}, "is not host:port")
            for place in ("sentinel", "sentinel:", "me@sentinel:1", "sentinel:1/0", "s:99999", "")
        ],
        (
            {"keys": (RedisKey(name="jobs", kind="list"), RedisKey(name="jobs", kind="set"))},
            '"jobs" is there twice',
        ),
        (
            {"keys": tuple(RedisKey(name=f"{one}", kind="list") for one in range(501))},
            "501 are more than 500",
        ),
    ],
)
def test_mistakes_of_a_redis(settings: dict[str, Any], what: str) -> None:
    text = said(Redis, **settings)
    assert what in text
    assert "secret" not in text.replace("NAME_FILE", "")


def test_the_same_key_in_two_databases_and_several_sentinels_are_right() -> None:
    keys = (RedisKey(name="jobs", kind="list"), RedisKey(name="jobs", kind="list", database=1))
    assert len(Redis(keys=keys).keys) == 2
    assert Redis(master_name="x", sentinels=("one:26379", "[::1]:26379")).master_name == "x"


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"name": ""}, "printable"),
        ({"name": "a\nb"}, "printable"),
        ({"name": "x" * 201}, "printable"),
        ({"kind": "string"}, "'list'"),
        ({"database": -1}, "negative"),
    ],
)
def test_mistakes_of_a_key(settings: dict[str, Any], what: str) -> None:
    assert what in said(RedisKey, **{"name": "jobs", "kind": "list", **settings})


@pytest.mark.parametrize("masters", [(), ("",), ("a", "a")])
def test_a_sentinel_names_each_of_its_masters_once(masters: tuple[str, ...]) -> None:
    assert "masters:" in said(Sentinel, name="s", url="redis://s", masters=masters)
    right = Sentinel(name="sentinel-1", url="redis://sentinel-1", masters=("a",))
    assert right.variable == "SENTINEL_1_URL"


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({}, "give its values, its state, or both"),
        ({"path": "status.json"}, "path: must start with /"),
        ({"url": "ftp://provider"}, "must start with http:// or https://"),
        ({"method": "HEAD", "state": JsonState(path="a", up=("b",))}, "HEAD brings no body"),
        (
            {"values": (JsonValue(name="a", path="a"), JsonValue(name="a", path="b"))},
            '"a" is there twice',
        ),
    ],
)
def test_mistakes_of_a_json_target(settings: dict[str, Any], what: str) -> None:
    assert what in said(JsonTarget, **{"name": "provider", "url": "https://provider", **settings})


def test_mistakes_of_a_value_and_of_a_state() -> None:
    assert "lower-case" in said(JsonValue, name="Depth", path="a")
    assert "single dots" in said(JsonValue, name="depth", path="a..b")
    assert "never be up" in said(JsonState, path="a", up=())
    assert "stands there twice" in said(JsonState, path="a", up=("x",), down=("x",))
    assert "single dots" in said(JsonState, path="", up=("x",))


def test_a_strangers_document_is_asked_for_seldom() -> None:
    target = JsonTarget(name="p", url="https://p", state=JsonState(path="a", up=("b",)))
    assert seconds(30) <= target.interval <= hours(1)
    assert target.variable == "P_URL"


def test_a_platform_at_other_addresses_asks_neither_strangers_nor_the_old_sentinels() -> None:
    platform = load(ROOT / "config.py")
    watched = Redis(url="redis://sentinel", master_name="x", sentinels=("other:26379",))
    platform = platform.model_copy(update={"redis": (watched,)})
    targets = {"stripe-status": "http://127.0.0.1:1/x", "redis": "redis://127.0.0.1:2/0"}
    rest = dict.fromkeys(set(Addresses.model_fields) - {"targets"}, "127.0.0.1:3")
    moved = relocate(platform, Addresses(targets=targets, **rest))
    assert [target.url for target in moved.external] == ["http://127.0.0.1:1/x"]
    [redis] = moved.redis
    assert isinstance(redis, Redis)
    assert (redis.url, redis.master_name, redis.sentinels) == ("redis://127.0.0.1:2/0", None, ())
