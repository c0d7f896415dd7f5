"""Would the mail server of SMTP_* take mail?"""

from __future__ import annotations

import asyncio

from exporter.operations.channels import Channels
from exporter.operations.checks.finding import Fault, Finding, broken, fine, unknown
from exporter.operations.checks.patient import Patient
from exporter.operations.smtp import RefusedError, UnreachableError, logged_in


async def check(patient: Patient) -> list[Finding]:
    """It is greeted and logged in to; no mail is sent."""
    channels = patient.channels
    if channels.smtp_host is None:
        return [unknown("SMTP: SMTP_HOST is not set (Alertmanager has settings of its own)")]
    place = f"{channels.smtp_host}:{channels.smtp_port}"
    try:
        await asyncio.to_thread(_greet, channels)
    except UnreachableError as error:
        return [
            broken(
                Fault.SMTP_UNREACHABLE,
                f"{place}: {error}",
                "Is SMTP_HOST right, and does a firewall let us through? "
                "`telnet $SMTP_HOST $SMTP_PORT`",
            )
        ]
    except RefusedError as error:
        return [
            broken(
                Fault.SMTP_REFUSES,
                f"{place} says: {error}",
                "Are SMTP_USER and SMTP_PASS right? SMTP_SECURE=true is for port 465 alone.",
            )
        ]
    return [fine(f"{place} would take mail")]


def _greet(channels: Channels) -> None:
    with logged_in(channels):
        pass
