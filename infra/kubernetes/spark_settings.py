"""The settings of Spark Connect on the cluster: those of the local stack, and what is otherwise there, with the reason.

They are written to ``spark-settings.yaml``, so that one who deploys sees them whole, and a check says when that file is stale.
"""

from pathlib import Path

from infra.kubernetes.documents import FOLDER, documents, find
from infra.stack.layout import Layout
from infra.stack.profiles import LOCAL
from infra.stack.services.spark import configuration
from infra.stack.services.spark_java import LOGGING

FILE = FOLDER / "spark-settings.yaml"
EXECUTOR = FOLDER / "executor-pod.yaml"
HEAD = "# Made by `python -m infra.kubernetes --write`; edit spark_settings.py, settings.yaml or executor-pod.yaml instead.\n"
PORTS = dict.fromkeys(LOCAL.ports, 0) | {"spark": 15002}
"""The Connect server listens on its pod's loopback, as locally; the other addresses are replaced below."""
IMAGE = "registry.example.invalid/commonweal/spark:1"
JAVA = {
    "java.security.auth.login.config": "/run/commonweal/private/jaas.conf",
    "aws.disableEc2Metadata": "true",
    "java.io.tmpdir": "/tmp",  # noqa: S108 - a folder of the pod's own
}
DROPPED = ("spark.driver.host", "spark.driver.bindAddress", "spark.local.dir")
"""The pod's address is known when it starts; local folders are volumes."""
CLUSTER = {
    "spark.master": "k8s://https://kubernetes.default.svc:443",
    "spark.submit.deployMode": "client",
    "spark.kubernetes.namespace": "commonweal",
    "spark.kubernetes.container.image": IMAGE,
    "spark.kubernetes.executor.podTemplateFile": "/etc/spark/executor-pod.yaml",
    "spark.kubernetes.executor.podTemplateContainerName": "executor",
    "spark.executor.instances": "4",
    "spark.executor.cores": "2",
    "spark.executor.memory": "4g",
    # Records are decoded in Python, beside the executor's own memory.
    "spark.executor.memoryOverhead": "2g",
    "spark.driver.memory": "4g",
    # Fixed, so that a network policy can name them.
    "spark.driver.port": "7078",
    "spark.blockManager.port": "7079",
    # Between driver and executors, and on the disks of their pods; the key is made at each start.
    "spark.authenticate": "true",
    "spark.network.crypto.enabled": "true",
    "spark.io.encryption.enabled": "true",
    # Three times the cores, where the local stack has two.
    "spark.sql.shuffle.partitions": "24",
    "spark.sql.warehouse.dir": "/tmp/warehouse",  # noqa: S108 - of no use with this catalog, but it must be writable
}


def settings() -> dict[str, str]:
    """Every setting by its name."""
    local = configuration(Layout(Path("/nowhere"), PORTS))
    kept = {name: value for name, value in local.items() if name not in DROPPED}
    addresses = platform()
    return kept | CLUSTER | _java(addresses) | _catalog(addresses)


def platform() -> dict[str, str]:
    """The settings of the platform, from which Spark's addresses are taken."""
    found: dict[str, str] = find(list(documents(FOLDER / "settings.yaml")), "ConfigMap", "commonweal-settings")["data"]
    return found


def rendered() -> str:
    """The text of the file."""
    files = {
        "spark-defaults.conf": "".join(f"{name} {value}\n" for name, value in sorted(settings().items())),
        "log4j2.properties": LOGGING.lstrip(),
        EXECUTOR.name: EXECUTOR.read_text(encoding="utf-8"),
    }
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: spark-settings\n  namespace: commonweal\ndata:\n"
    return HEAD + head + "".join(f"  {name}: |\n{_indented(text)}" for name, text in files.items())


def is_stale() -> bool:
    """Whether the file is missing or not what the code gives."""
    return not FILE.is_file() or FILE.read_text(encoding="utf-8") != rendered()


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" if line else "\n" for line in text.splitlines())


def _java(of: dict[str, str]) -> dict[str, str]:
    executor = JAVA | {"aws.region": of["COMMONWEAL_S3_REGION"]}
    driver = executor | {"log4j2.configurationFile": "/etc/spark/log4j2.properties"}
    return {
        f"spark.{name}.extraJavaOptions": " ".join(f"-D{key}={value}" for key, value in options.items())
        for name, options in (("driver", driver), ("executor", executor))
    }


def _catalog(of: dict[str, str]) -> dict[str, str]:
    address = f"{of['COMMONWEAL_DATABASE_HOST']}:{of['COMMONWEAL_DATABASE_PORT']}/{of['COMMONWEAL_DATABASE_NAME']}"
    encrypted = f"sslmode={of['PGSSLMODE']}&sslrootcert={of['PGSSLROOTCERT']}"
    own = {
        "uri": f"jdbc:postgresql://{address}?{encrypted}",
        "warehouse": f"s3://{of['COMMONWEAL_BUCKET_LAKEHOUSE']}",
        "s3.endpoint": of["COMMONWEAL_S3_ENDPOINT"],
        "client.region": of["COMMONWEAL_S3_REGION"],
    }
    return {f"spark.sql.catalog.lake.{name}": value for name, value in own.items()}
