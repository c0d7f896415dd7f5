"""Runs the exporter until it is told to stop."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import structlog
from aiohttp import web

from exporter import process
from exporter.logs import ServiceLog
from exporter.service import Loaded, Service
from exporter.settings import Settings, SettingsError
from exporter.web.app import make_app
from exporter.web.unreadable import ServerLog
from model.declared import ConfigError

# How long open requests may take to end before they are cut off.
_SHUTDOWN_TIMEOUT = 3.0

log = structlog.get_logger("exporter.serve")


class CannotListenError(Exception):
    """The address that the exporter is to listen on cannot be had."""


async def serve(
    config: Path,
    environment: Mapping[str, str],
    settings: Settings,
    loaded: Loaded,
    service_log: ServiceLog,
) -> None:
    """Probe and serve until SIGTERM or SIGINT; SIGHUP reloads the config, SIGUSR1 opens logs anew.

    Raises CannotListenError.
    """
    process.raise_limit()
    service = Service(config, environment, settings, loaded, service_log.learn)
    runner = web.AppRunner(
        make_app(service),
        access_log=None,
        logger=ServerLog(),
        shutdown_timeout=_SHUTDOWN_TIMEOUT,
    )
    await runner.setup()
    stop = asyncio.Event()
    background = [
        asyncio.create_task(service.telemetry.watch_event_loop()),
        asyncio.create_task(service.connectivity.watch()),
    ]
    if service.ledger is not None:
        background.append(asyncio.create_task(service.ledger.run()))
    if service.workers is not None:
        background.append(asyncio.create_task(service.workers.run()))
    if service.chat is not None:
        background.append(asyncio.create_task(service.chat.run()))
    try:
        # First: SIGHUP would end a process that does not handle it yet.
        _handle_signals(stop, service, service_log)
        port = await _listen(runner, settings)
        await service.start()
        # What is there now stays: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        _warn_of_limit(loaded.platform.probes_at_once)
        log.info(
            "serving",
            address=f"{settings.host}:{port}",
            targets=len(loaded.targets),
            shard=str(settings.shard),
            config=str(config),
            sha256=loaded.sha256,
            pid=os.getpid(),
        )
        await _stopped(stop, background)
        log.info("stopping")
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await service.stop()
        await runner.cleanup()
        if service.chat is not None:
            await service.chat.close()
        if service.ledger is not None:
            await service.ledger.close()


async def _stopped(stop: asyncio.Event, background: list[asyncio.Task[None]]) -> None:
    """Wait until told to stop. Raises what a part in the background has ended with."""
    told = asyncio.create_task(stop.wait())
    await asyncio.wait([told, *background], return_when=asyncio.FIRST_COMPLETED)
    for task in background:
        if task.done():
            told.cancel()
            task.result()


def _warn_of_limit(probes_at_once: int) -> None:
    missing = process.missing_files(probes_at_once)
    if missing:
        log.warning(
            "too few open files are allowed (ulimit -Hn): probes will fail as internal",
            probes_at_once=probes_at_once,
            missing=missing,
        )


async def _listen(runner: web.AppRunner, settings: Settings) -> int:
    site = web.TCPSite(runner, settings.host, settings.port)
    try:
        await site.start()
    except OSError as error:
        raise CannotListenError(_why(error, settings)) from None
    except UnicodeError:  # of the codec that names of hosts go through
        raise CannotListenError(f"{settings.host[:50]} cannot be a host: check HOST") from None
    port: int = runner.addresses[0][1]
    return port


def _why(error: OSError, settings: Settings) -> str:
    address = f"{settings.host}:{settings.port}"
    if error.errno == errno.EADDRINUSE:
        return f"{address} is taken by another program: stop it, or set PORT"
    if error.errno == errno.EACCES:
        return f"may not listen on {address}: choose a PORT of 1024 or more"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{settings.host} is no address of this machine: set HOST to one that is"
    return f"cannot listen on {address}: {error.strerror or error}; check HOST and PORT"


def _handle_signals(stop: asyncio.Event, service: Service, service_log: ServiceLog) -> None:
    loop = asyncio.get_running_loop()
    reloads: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = loop.create_task(_reload(service))
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload)
    loop.add_signal_handler(signal.SIGUSR1, service_log.reopen)


async def _reload(service: Service) -> None:
    try:
        await service.reload()
    except (ConfigError, SettingsError):
        return  # said in the log and in a gauge; there is nobody else to tell
