"""The cluster's manifests: they pass their schemas, broken ones don't, and no secret stands in one."""

import copy
import re
from pathlib import Path

import pytest

from infra.kubernetes import spark_settings
from infra.kubernetes.airflow import made_of, values_problems
from infra.kubernetes.documents import FOLDER, Document, find, manifests, values
from infra.kubernetes.platform_settings import must_be_set
from infra.kubernetes.secrets import STRIMZIS, leaks, references, secrets
from infra.kubernetes.validate import problems, problems_of
from infra.stack.layout import Layout
from infra.stack.profiles import LOCAL
from infra.stack.services.kafka import SERVER
from infra.stack.services.spark import configuration

MANIFESTS = manifests()
VALUES = values()
PODS = [
    *(one for one in MANIFESTS if one.kind in ("Deployment", "Job", "Pod")),
    *(one for one in made_of(VALUES) if one.kind == "Pod"),
]
KAFKA = ("Kafka", "commonweal")


def changed(kind, name, path, value):
    """The manifest, changed."""
    return Document("broken.yaml", with_change(find(MANIFESTS, kind, name), path, value))


def with_change(original, path, value):
    """A copy with one value changed, or with a key more; a value of None takes the key away."""
    content = copy.deepcopy(original)
    *parents, last = path
    place = content
    for key in parents:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return content


def told(document):
    return [str(problem) for problem in problems_of(document)]


def pod_spec(document):
    return document.content["spec"]["template"]["spec"] if document.kind != "Pod" else document.content["spec"]


def containers(document):
    spec = pod_spec(document)
    return [*spec.get("initContainers", ()), *spec["containers"]]


def test_every_manifest_is_right():
    assert len(MANIFESTS) > 30
    assert {"Kafka", "KafkaNodePool", "KafkaUser", "Deployment", "Job", "NetworkPolicy", "ConfigMap"} <= {
        one.kind for one in MANIFESTS
    }
    assert [str(problem) for problem in problems()] == []


@pytest.mark.parametrize(
    ("kind", "name", "path", "value", "said"),
    [
        ("Deployment", "watch", ("spec", "replica"), 2, "Deployment watch at spec: .*'replica' was unexpected"),
        ("Deployment", "watch", ("spec", "replicas"), "two", "at spec.replicas: 'two' is not of type 'integer'"),
        ("Deployment", "watch", ("spec", "selector"), None, "at spec: 'selector' is a required property"),
        ("Deployment", "watch", ("kind",), "Deploiment", "knows no kind Deploiment in apps/v1"),
        ("Deployment", "watch", ("apiVersion",), "apps/v1beta1", "knows no kind Deployment in apps/v1beta1"),
        ("Deployment", "watch", ("kind",), None, "apiVersion or kind is missing"),
        (*KAFKA, ("spec", "kafka", "listener"), [], "at spec.kafka: .*'listener' was unexpected"),
        (*KAFKA, ("spec", "kafka", "listeners", 0, "port"), "9093", "at spec.kafka.listeners.0.port: '9093' is not of type"),
        (*KAFKA, ("spec", "kafka", "listeners", 0, "authentication", "type"), "plain", "'plain' is not one of"),
        (*KAFKA, ("spec", "kafka"), None, "at spec: 'kafka' is a required property"),
        (*KAFKA, ("kind",), "KafkaTopic", "KafkaTopic in kafka.strimzi.io/v1: this check knows Kafka, KafkaNodePool, KafkaUser"),
        (*KAFKA, ("apiVersion",), "kafka.strimzi.io/v1beta2", "this check knows"),
        (*KAFKA, ("metadata", "label"), {}, "'label' was unexpected"),
        ("KafkaNodePool", "brokers", ("spec", "roles"), ["zookeeper"], "at spec.roles.0: 'zookeeper' is not one of"),
    ],
)
def test_a_broken_manifest_is_refused_with_its_place(kind, name, path, value, said):
    found = told(changed(kind, name, path, value))
    assert any(re.search(f"^infra/kubernetes/broken.yaml: .*{said}", line) for line in found), found


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("fernetKeySecretname",), "x", "'fernetKeySecretname' was unexpected"),
        (("scheduler", "replicas"), "one", "at scheduler.replicas: 'one' is not of type 'integer'"),
        (("createUserJob", "enabled"), True, "at createUserJob.enabled: False was expected"),
        (("jwtSecretName",), None, "'jwtSecretName' is a required property"),
        (("config", "core", "paralelism"), "8", "at config.core.paralelism: Airflow has no such option"),
        (("config", "webserver"), {}, "at config.webserver: Airflow has no such section"),
    ],
)
def test_broken_values_for_the_chart_are_refused(path, value, said):
    broken = Document(VALUES.file, with_change(VALUES.content, path, value))
    assert any(said in str(problem) for problem in values_problems(broken))


def test_what_the_chart_makes_of_broken_values_is_refused():
    content = copy.deepcopy(VALUES.content)
    content["scheduler"]["extraVolumes"][0]["secret"] = {"name": "commonweal-steps"}
    assert any("'name' was unexpected" in line for pod in made_of(Document(VALUES.file, content)) for line in told(pod))


@pytest.mark.parametrize(
    "content",
    [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}},
        {"env": [{"name": "AIRFLOW__CORE__FERNET_KEY", "value": "x"}]},
        {"password": "x"},
        {"data": {"metadataConnection": {"pass": "x"}}},
        {"url": "postgresql://airflow:x@postgresql.example.invalid/airflow"},
        {"data": {"COMMONWEAL_AIRFLOW_URL": "0123456789abcdef0123456789abcdef"}},
        {"data": {"key": "c2l4dHktZm91ciBieXRlcyBvZiByYW5kb21uZXNzISE="}},
    ],
)
def test_a_secret_in_a_file_is_found_and_not_repeated(content):
    found = [str(problem) for problem in leaks(Document("broken.yaml", content))]
    assert found
    assert not any(word in line for line in found for word in ("airflow:x", "0123456789abcdef", "c2l4dHk"))


def test_no_secret_is_in_a_manifest_or_in_the_values():
    assert [problem for document in (*MANIFESTS, VALUES) for problem in leaks(document)] == []


def test_every_secret_that_is_named_is_listed_used_and_in_the_readme():
    documents = (*MANIFESTS, VALUES, *made_of(VALUES))
    named = {name for document in documents for _, name, _ in references(document)}
    assert named == secrets().keys()
    readme = (FOLDER / "README.md").read_text("utf-8")
    assert all(f"`{name}`" in readme for name in named)


def test_a_secret_that_nobody_makes_is_found(tmp_path):
    for path in FOLDER.glob("*.yaml"):
        (tmp_path / path.name).write_text(
            path.read_text("utf-8").replace("secretName: commonweal-watch", "secretName: watch"), "utf-8"
        )
    (found,) = map(str, problems(tmp_path))
    assert "platform.yaml: Deployment watch" in found
    assert "names the Secret watch" in found


def test_each_program_has_the_secrets_of_its_own_principal():
    for program in ("watch", "announce"):
        assert {name.split("-")[1] for name in secrets()[f"commonweal-{program}"]} == {program}
    holders = {name for name, keys in secrets().items() if "kafka-admin" in keys}
    assert holders == {"commonweal-apply"}
    assert not any("sealing.private" in keys for keys in secrets().values())
    assert STRIMZIS in secrets()


@pytest.mark.parametrize("name", sorted(must_be_set()))
def test_a_setting_that_must_be_set_and_is_not_is_missed(name):
    assert f"data.{name}: is missing" in "".join(told(changed("ConfigMap", "commonweal-settings", ("data", name), None)))


def test_settings_that_must_be_set_are_the_addresses_and_the_folders():
    assert {
        "COMMONWEAL_KAFKA_BOOTSTRAP",
        "COMMONWEAL_DATABASE_HOST",
        "COMMONWEAL_KEYS_DIR",
        "COMMONWEAL_METRICS_PORT",
    } <= must_be_set()
    assert not {"COMMONWEAL_LEASE_SECONDS", "COMMONWEAL_BACKUP_ENDPOINT", "COMMONWEAL_BUCKET_LANDING"} & must_be_set()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("COMMONWEAL_KAFKA_SERVERS", "x", "there is no such setting"),
        ("COMMONWEAL_DATABASE_PORT", "many", "can't be used (int_parsing)"),
    ],
)
def test_a_wrong_setting_is_found(name, value, said):
    assert any(
        f"data.{name}: {said}" in line for line in told(changed("ConfigMap", "commonweal-settings", ("data", name), value))
    )


def test_sparks_settings_are_what_the_code_gives():
    assert not spark_settings.is_stale()


def test_spark_differs_from_the_local_stack_only_where_it_says_so():
    local = configuration(Layout(Path("/nowhere"), dict.fromkeys(LOCAL.ports, 15002)))
    cluster = spark_settings.settings()
    assert {name for name in local if name not in cluster} == set(spark_settings.DROPPED)
    differing = {name for name in local if name in cluster and local[name] != cluster[name]}
    addresses = {f"spark.sql.catalog.lake.{name}" for name in ("uri", "s3.endpoint")}
    assert differing - addresses <= spark_settings.CLUSTER.keys()
    assert not any("127.0.0.1" in value for name, value in cluster.items() if name != "spark.connect.grpc.binding.address")


def test_kafka_is_as_strict_as_the_local_one_and_keeps_three_copies():
    spec = find(MANIFESTS, *KAFKA)["spec"]
    local = dict(line.split("=", 1) for line in SERVER.strip().splitlines())
    config = {name: str(value).lower() for name, value in spec["kafka"]["config"].items()}
    for name in ("auto.create.topics.enable", "log.retention.ms"):
        assert config[name] == local[name]
    assert all(config[name] == "3" for name in config if name.endswith("replication.factor"))
    assert all(config[name] == "2" for name in config if name.endswith(("min.isr", "min.insync.replicas")))
    assert {name for name in local if name.endswith(("replication.factor", "min.isr", "insync.replicas"))} <= config.keys()
    assert [f"User:{name}" for name in spec["kafka"]["authorization"]["superUsers"]] == [local["super.users"]]
    for listener in spec["kafka"]["listeners"]:
        assert (listener["tls"], listener["authentication"]) == (True, {"type": "scram-sha-512"})


def test_strimzi_leaves_every_principal_alone_but_the_administrator():
    (variable,) = find(MANIFESTS, *KAFKA)["spec"]["entityOperator"]["template"]["userOperatorContainer"]["env"]
    assert variable["name"] == "STRIMZI_IGNORED_USERS_PATTERN"
    principals = [name.removeprefix("kafka-") for name in secrets()["commonweal-apply"] if name.startswith("kafka-")]
    assert [name for name in principals if not re.fullmatch(variable["value"], name)] == ["admin"]
    assert re.fullmatch(variable["value"], "administrator")


@pytest.mark.parametrize("document", PODS, ids=lambda one: one.name)
def test_no_pod_runs_as_root_or_may_become_it(document):
    assert pod_spec(document)["securityContext"]["runAsNonRoot"] is True
    assert pod_spec(document)["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers(document):
        own = container["securityContext"]
        assert own["allowPrivilegeEscalation"] is False
        assert own["capabilities"] == {"drop": ["ALL"]}
        # Airflow writes into its own home, and Spark gives an executor its resources.
        assert own.get("readOnlyRootFilesystem") is (None if document.file.startswith(VALUES.file) else True)
        assert container["name"] == "executor" or "memory" in container["resources"]["limits"]


def test_no_pod_but_sparks_server_has_an_account_of_kubernetes():
    mounting = [one.name for one in PODS if one.kind != "Pod" and pod_spec(one).get("automountServiceAccountToken") is not False]
    assert mounting == []
    projected = [one.name for one in PODS for volume in pod_spec(one)["volumes"] if "projected" in volume]
    assert projected == ["spark-connect.yaml: Deployment spark-connect"]


def test_whoever_reaches_a_service_has_its_label():
    policies = [one.content for one in MANIFESTS if one.kind == "NetworkPolicy"]
    deny = find(MANIFESTS, "NetworkPolicy", "default-deny")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    wanted = {
        label for policy in policies for label in policy["spec"]["podSelector"].get("matchLabels", {}) if "commonweal/" in label
    }
    labels = [
        one.content["metadata"]["labels"] if one.kind == "Pod" else one.content["spec"]["template"]["metadata"]["labels"]
        for one in PODS
    ]
    given = {label for each in labels for label in each if label.startswith("commonweal/")}
    assert given == wanted


def test_nothing_names_a_real_address():
    texts = "".join(path.read_text("utf-8") for path in FOLDER.glob("*.yaml"))
    hosts = set(re.findall(r"(?:https?|k8s|sc)://([\w.-]+)", texts))
    assert hosts
    assert all(host.endswith((".example.invalid", ".svc")) or host in ("127.0.0.1", "https") for host in hosts), hosts
    assert all(block.startswith("192.0.2.") for block in re.findall(r"\d+\.\d+\.\d+\.\d+/\d\d?\b", texts))  # RFC 5737
