"""What a stack is made of: chosen once, and everything else follows from it."""

from pathlib import Path

import pytest

from commonweal.errors import ConfigError
from infra.stack.bring_up import prepare, steps_of
from infra.stack.layout import Layout
from infra.stack.profiles import CLUSTER, LOCAL, PROFILES, Profile, choose_profile, kept_profile
from infra.stack.services import kafka, minio, registry, spark, spark_cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Layout:
    return prepare(tmp_path / "run", {}, "cluster")


def test_nobody_who_does_not_choose_gets_a_cluster(tmp_path: Path) -> None:
    assert prepare(tmp_path / "run", {}).profile == LOCAL
    assert not (tmp_path / "run" / "profile").exists()


def test_a_folder_stays_what_it_was_made_as(cluster: Layout) -> None:
    assert kept_profile(cluster.run_dir) == CLUSTER == choose_profile(cluster.run_dir, None)
    assert prepare(cluster.run_dir, {}) == cluster
    with pytest.raises(ConfigError, match="is of profile cluster"):
        choose_profile(cluster.run_dir, "local")


def test_a_local_folder_does_not_become_a_cluster(tmp_path: Path) -> None:
    made = prepare(tmp_path / "run", {})
    with pytest.raises(ConfigError, match="commonweal stack reset"):
        choose_profile(made.run_dir, "cluster")
    assert made.profile == LOCAL


def test_an_unknown_profile_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no huge; choose from local, cluster"):
        choose_profile(tmp_path, "huge")
    (tmp_path / "profile").write_text("")
    with pytest.raises(ConfigError, match="names no profile"):
        kept_profile(tmp_path)


def test_a_start_that_was_refused_has_chosen_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="typo"):
        prepare(tmp_path / "run", {"typo": 1}, "cluster")
    assert kept_profile(tmp_path / "run") == LOCAL


def test_a_broker_that_lost_its_folder_is_not_made_anew_as_the_same_voter(cluster: Layout) -> None:
    (cluster.run_dir / "applied").touch()
    with pytest.raises(ConfigError, match="kafka-2 has lost what it kept"):
        registry.launcher("kafka-2")(cluster)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_step_comes_after_what_it_needs(profile: Profile) -> None:
    steps = steps_of(profile)
    before: set[str] = set()
    for name, needed in steps.items():
        assert set(needed) <= before, name
        before.add(name)
    assert {name for name in registry.services(profile) if name not in steps} == set()


def test_a_write_waits_for_two_of_three_brokers(cluster: Layout) -> None:
    for number in (1, 2, 3):
        lines = kafka.server_properties(cluster, number).splitlines()
        assert {f"node.id={number}", "default.replication.factor=3", "min.insync.replicas=2"} <= set(lines)
        assert {"transaction.state.log.min.isr=2", "offsets.topic.replication.factor=3"} <= set(lines)
    assert cluster.addresses()["COMMONWEAL_KAFKA_BOOTSTRAP"].count(",") == 2


def test_brokers_agree_on_ids_that_nobody_takes_for_options(cluster: Layout) -> None:
    places = kafka.quorum(cluster)[1].split(",")
    assert kafka.quorum(cluster)[1].split(",") == places
    ids = [place.rpartition(":")[2] for place in places]
    assert len(set(ids)) == 3
    assert not [made for number in range(200) if (made := kafka.made_id(cluster, str(number))).startswith("-")]


def test_each_object_is_spread_over_four_drives(cluster: Layout) -> None:
    assert minio.arguments(cluster)[-4:] == tuple(map(str, minio.drives(cluster)))
    assert len(set(minio.drives(cluster))) == 4


def test_what_clients_of_spark_can_read_holds_no_secret(cluster: Layout) -> None:
    registry.launcher("spark")(cluster)
    shown = str(spark.configuration(cluster)) + (cluster.config / "spark" / "spark-defaults.conf").read_text()
    assert spark_cluster.address(cluster) in shown
    assert not [path.name for path in cluster.secrets.iterdir() if path.read_text() in shown]
