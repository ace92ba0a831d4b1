"""The JSON document of a trial."""

from __future__ import annotations

import json

import msgspec

from tests.support import schemas
from tests.trying.verdicts import GOOD, check, failing, skipped, verdict
from xenbump.dom0.report import FAILED
from xenbump.trying import compare
from xenbump.trying import document as documents
from xenbump.trying.model import Phase


def test_a_trial_fits_its_schema() -> None:
    dom0 = failing(Phase.DOM0, "why", checks=(check("tools", FAILED, "no xl", "evidence"),), tail=("one",))
    after = verdict(GOOD[0], dom0, skipped(Phase.GUESTS), options=(("DEBUG", "y"),), applied=("one",))
    whole = documents.document(after, verdict(), compare.compared(verdict(), after))
    value = json.loads(msgspec.json.encode(whole))
    schemas.validate(value, msgspec.json.schema(documents.TryDocument))
    assert value["schema"] == "xenbump.try/1"
    assert (value["trial"]["outcome"], value["trial"]["failed_in"]) == ("failed", "dom0")
    assert (value["against"]["outcome"], value["against"]["failed_in"]) == ("passed", None)
    assert value["trial"]["options"] == {"DEBUG": "y"}
    assert value["comparison"]["worse"] is True
    assert msgspec.convert(value, documents.TryDocument) == whole


def test_one_alone_has_nothing_to_compare_with() -> None:
    found = documents.document(verdict(skipped(Phase.BUILD)))
    assert (found.trial.outcome, found.against, found.comparison) == ("skipped", None, None)
