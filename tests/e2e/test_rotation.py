"""The key is rotated on a running system: watch and Airflow bring everything, products too, under the new one by themselves."""

import io

from rich.console import Console

from commonweal import rotation
from commonweal.lake.names import released_table
from commonweal.lake.releases import current_release
from commonweal.lake.spark import at
from commonweal.people import sign_in
from infra.demo import story
from infra.demo.town import REGISTER

FINDINGS = "data_bureau.benefit_integrity"
PERSONAL = (story.CASES, REGISTER)


def released(told, dataset: str):
    """The current release, and its rows."""
    ports = told.ports
    made = current_release(ports.engine, dataset)
    return made, at(ports.spark, released_table(ports.contract(dataset), "current"), made.snapshots["current"]).collect()


def test_people_read_the_same_findings_under_new_pseudonyms(told):
    ports = told.ports
    (before, findings), old = released(told, FINDINGS), {dataset: released(told, dataset)[1] for dataset in PERSONAL}
    engineer = sign_in(ports.settings, "engineer")
    moved = {found.dataset: found.landed for found in rotation.rotate(ports, engineer, reason="a test")}
    epoch = max(moved.values())
    assert set(moved) == set(PERSONAL)
    assert epoch > before.key_epoch
    story.wait(ports, Console(file=io.StringIO()), set(), lambda found: _is_done(told, epoch) and story.all_released(found))
    after, rows = released(told, FINDINGS)
    assert after.key_epoch == epoch
    assert {(row["rule_code"], row["case_no"]) for row in rows} == {(row["rule_code"], row["case_no"]) for row in findings}
    for dataset in PERSONAL:
        made, now = released(told, dataset)
        keys, former = ({row["person_key"] for row in found} for found in (now, old[dataset]))
        assert made.key_epoch == epoch
        assert len(keys) == len(former)
        assert not keys & former


def _is_done(told, epoch: int) -> bool:
    return all(current_release(told.ports.engine, dataset).key_epoch == epoch for dataset in (*PERSONAL, FINDINGS))
