"""The JSON documents by name, and their schemas; `docs/schemas/` has them."""

from __future__ import annotations

from typing import Any

import msgspec

from xenbump.report.doctor import DoctorDocument
from xenbump.report.reported import ReportDocument
from xenbump.report.values import (
    Advisories,
    AuditDocument,
    Check,
    Event,
    Hash,
    Heartbeat,
    PlanDocument,
    Run,
    VerifyDocument,
)
from xenbump.trying.bisect_document import BisectDocument
from xenbump.trying.document import TryDocument
from xenbump.verify.guest_document import GuestDocument

DOCUMENTS: dict[str, type[msgspec.Struct]] = {
    "check": Check,
    "plan": PlanDocument,
    "run": Run,
    "hash": Hash,
    "audit": AuditDocument,
    "xsa": Advisories,
    "verify": VerifyDocument,
    "doctor": DoctorDocument,
    "event": Event,
    "heartbeat": Heartbeat,
    "report": ReportDocument,
    "try": TryDocument,
    "bisect": BisectDocument,
    "guest": GuestDocument,
}


def schema(name: str) -> str:
    """The JSON schema (2020-12) of a document, as it lies in `docs/schemas/`."""
    described = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(DOCUMENTS[name])}
    return msgspec.json.format(msgspec.json.encode(_in_order(described)), indent=2).decode("utf-8") + "\n"


def _in_order(part: Any) -> Any:
    """A schema with its alternatives in one order, which msgspec's releases do not share."""
    if isinstance(part, dict):
        ordered = {key: _in_order(value) for key, value in part.items()}
        if "anyOf" in ordered:
            ordered["anyOf"] = sorted(ordered["anyOf"], key=msgspec.json.encode)
        return ordered
    return [_in_order(item) for item in part] if isinstance(part, list) else part
