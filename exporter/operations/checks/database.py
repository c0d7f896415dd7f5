"""Can the ledger's store be opened, and has it this version's schema?"""

from __future__ import annotations

from exporter.ledger.errors import StoreUnavailableError, TransactionPoolerError
from exporter.ledger.options import store_options
from exporter.ledger.store import Store
from exporter.operations.checks.finding import Fault, Finding, broken, fine, unknown
from exporter.operations.checks.patient import Patient
from exporter.probers import PROBERS
from exporter.probers.http.network import Network
from exporter.probers.result import Reason
from exporter.service import ledger_wanted
from exporter.settings import Settings
from model.targets import Postgres

_SECONDS = 5.0
_PAST_POOLER = "Give DATABASE_URL the server itself, or a pool of pool_mode=session."
_MIGRATE = "Run `python -m exporter migrate`; the service does it too when it starts."


async def check(patient: Patient) -> list[Finding]:
    """The server, the password, the schema: the first that is wrong."""
    settings, loaded = patient.settings, patient.loaded
    if settings is None or loaded is None:
        return [unknown("the database: the variables have to be mended first")]
    if not ledger_wanted(settings, loaded.platform):
        return [fine("no ledger is kept, so no database is needed")]
    trouble = await _unreachable(settings)
    return [trouble] if trouble is not None else [await _schema(settings)]


async def _unreachable(settings: Settings) -> Finding | None:
    """By a probe: it tells a wrong password from a server that is away in any language."""
    if settings.database_url is None:
        return None
    url = settings.database_url.get_secret_value()
    network = Network()
    prober = PROBERS[Postgres.kind](Postgres(name="ledger"), url, network)
    try:
        result = await prober.probe(_SECONDS)
    finally:
        await prober.close()
        network.close()
    if result.reason is None:
        return None
    if result.reason is Reason.AUTH:
        return broken(
            Fault.WRONG_PASSWORD,
            f"the database refuses the user or the password of DATABASE_URL: {result.detail}",
            "Correct DATABASE_URL, or the role: ALTER ROLE … PASSWORD.",
        )
    if result.reason is Reason.TOO_MANY_CLIENTS:
        return broken(
            Fault.POOL_EXHAUSTED,
            f"the database has no connection left: {result.detail}",
            "See who has them in pg_stat_activity, by application_name; end idle ones.",
        )
    return broken(
        Fault.DATABASE_UNREACHABLE,
        f"the database of DATABASE_URL: {result.detail}",
        "Is it running, is its host's name right, does a firewall let us through?",
    )


async def _schema(settings: Settings) -> Finding:
    store = Store(store_options(settings))
    try:
        found = await store.open_beside()
    except TransactionPoolerError as error:
        return broken(Fault.TRANSACTION_POOLER, str(error), _PAST_POOLER)
    except StoreUnavailableError as error:
        if settings.database_url is None and not settings.ledger_file.exists():
            return broken(Fault.SCHEMA_BEHIND, str(error), _MIGRATE)
        return broken(Fault.DATABASE_UNREACHABLE, str(error), "Mend what it says.")
    finally:
        await store.close()
    if found.behind:
        return broken(
            Fault.SCHEMA_BEHIND,
            f"the schema is of revision {found.current or 'none'}, not {found.wanted}",
            _MIGRATE,
        )
    if not found.known:
        return fine(
            f"the store ({store.name}) answers; its schema, {found.current}, is a newer version's "
            f"than this one's, {found.wanted}, which works on it: update this replica too"
        )
    return fine(f"the store ({store.name}) answers, and has schema {found.current}")
