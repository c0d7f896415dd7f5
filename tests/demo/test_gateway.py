"""The TLS port whose certificate can be let expire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from demo.gateway import listening
from exporter.probers.result import Health, Reason
from exporter.probers.tcp import TcpProber
from model import TcpService, names

# It answers at once; this is for a machine that does much else.
DEADLINE = 30.0


async def test_its_certificate_expires_and_is_renewed_while_it_listens(tmp_path: Path) -> None:
    async with listening(tmp_path) as gateway:
        service = TcpService(name="gateway", url=gateway.url, ca_file=gateway.ca_file)
        prober = TcpProber(service, gateway.url)
        assert (await prober.probe(DEADLINE)).health is Health.HEALTHY
        ended = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
        gateway.present(ended)
        result = await prober.probe(DEADLINE)
        assert result.reason is Reason.TLS_EXPIRED
        [expiry] = [
            sample.value
            for sample in result.samples
            if sample.metric is names.PROBE_SSL_EARLIEST_CERT_EXPIRY
        ]
        assert expiry == ended.timestamp()
        gateway.renew()
        assert (await prober.probe(DEADLINE)).health is Health.HEALTHY
        await prober.close()
