"""Spark: one warm Connect server with a token, which does all work itself, or has a cluster of its own for that."""

import os
import shutil
from pathlib import Path

from infra.install import spark_jars
from infra.stack import spark_server
from infra.stack.layout import REGION, Layout
from infra.stack.program import Launch
from infra.stack.secret_files import write_private
from infra.stack.services import jvm, spark_cluster, spark_java, spark_probe

HEAP_MEGABYTES = 2048
KEPT = {
    "spark.connect.session.manager.defaultSessionTimeout": "20m",
    "spark.connect.session.manager.closedSessionsTombstonesSize": "100",
    "spark.connect.execute.manager.abandonedTombstonesSize": "100",
    "spark.sql.connect.ui.retainedSessions": "20",
    "spark.sql.connect.ui.retainedStatements": "20",
    "spark.sql.ui.retainedExecutions": "20",
    "spark.sql.maxPlanStringLength": "16384",
    "spark.ui.retainedJobs": "100",
    "spark.ui.retainedStages": "100",
    "spark.ui.retainedTasks": "1000",
}
"""How much the server remembers of past work: little, since its pages are off, and a plan's text can be long."""
SERVED = {
    "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
    "spark.sql.artifact.isolation.enabled": "false",
    "spark.sql.artifact.isolation.alwaysApplyClassloader": "false",
    "spark.sql.codegen.cache.maxEntries": "2000",
    "spark.sql.inMemoryColumnarStorage.compressed": "false",
}
"""Sessions share compiled plans and a daemon for Python workers: all are the platform's own, and none brings code along.

What they keep is read once or twice: packing it costs more than it gains.
"""


def launch_spark(layout: Layout) -> Launch:
    """The Connect server, on the wheel's Java directly: ``spark-submit`` insists on a module that this Java lacks."""
    folder = spark_java.write_logging(layout, "spark")
    shutil.rmtree(layout.data("spark"), ignore_errors=True)  # scratch only, and a killed server leaves its own behind
    layout.data("spark").mkdir(parents=True)
    settings = "".join(f"{name} {value}\n" for name, value in configuration(layout).items())
    (folder / "spark-defaults.conf").write_text(settings)
    submit = ("org.apache.spark.deploy.SparkSubmit", spark_server.__file__)
    return Launch((*_java(layout, folder), *submit), _environment(layout, folder))


def configuration(layout: Layout) -> dict[str, str]:
    """Spark's settings; every client may read them."""
    shared = spark_cluster.configuration(layout) if layout.profile.workers else {}
    return {
        "spark.master": f"local[{os.cpu_count()}]",
        "spark.app.name": "commonweal",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.local.dir": str(layout.data("spark")),
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(layout.ports["spark"]),
        "spark.sql.warehouse.dir": str(layout.data("spark") / "warehouse"),
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.defaultCatalog": "lake",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.adaptive.enabled": "true",
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "20000",
        "spark.python.daemon.module": "infra.stack.spark_daemon",
        "spark.python.worker.reuse": "false",
        **KEPT,
        **SERVED,
        **{f"spark.sql.catalog.lake{name}": value for name, value in _catalog(layout).items()},
        **shared,
    }


def is_ready(layout: Layout) -> bool:
    """Whether the server answers a query of a client with the token; the first one also warms it up."""
    return spark_probe.answers(layout.ports["spark"], layout.secret("spark-token"))


def _catalog(layout: Layout) -> dict[str, str]:
    return {
        "": "org.apache.iceberg.spark.SparkCatalog",
        ".type": "jdbc",
        ".uri": f"jdbc:postgresql://127.0.0.1:{layout.ports['postgres']}/commonweal",
        ".jdbc.user": "spark",
        ".jdbc.schema-version": "V1",
        ".warehouse": "s3://lakehouse",
        ".io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        ".s3.endpoint": layout.addresses()["COMMONWEAL_S3_ENDPOINT"],
        ".s3.path-style-access": "true",
        ".client.region": REGION,
        ".cache-enabled": "false",  # others commit too: a cached table would be an old one
    }


def _environment(layout: Layout, folder: Path) -> dict[str, str]:
    pgpass = f"127.0.0.1:{layout.ports['postgres']}:*:spark:{layout.secret('postgres-spark')}\n"
    own = {
        "SPARK_CONNECT_AUTHENTICATE_TOKEN": layout.secret("spark-token"),
        "PGPASSFILE": str(write_private(layout.private / "spark.pgpass", pgpass)),
    }
    known = spark_cluster.authentication(layout) if layout.profile.workers else {}
    return spark_java.environment(folder) | spark_java.store_login(layout) | own | known


def _java(layout: Layout, folder: Path) -> tuple[str, ...]:
    properties = {
        "java.security.auth.login.config": spark_java.write_login(layout),
        "aws.region": REGION,
        "aws.disableEc2Metadata": "true",
        "jdk.reflect.useDirectMethodHandle": "false",
        "io.netty.tryReflectionSetAccessible": "true",
        "java.io.tmpdir": layout.data("spark"),
        "log4j2.configurationFile": folder / "log4j2.properties",
    }
    # Eager to shrink: a warm server that does nothing gives its memory back. Its classes are so many that room for them, grown
    # step by step, would cost a collection of all memory each time.
    memory = ("-XX:MinHeapFreeRatio=10", "-XX:MaxHeapFreeRatio=25", "-XX:MetaspaceSize=256m")
    defined = tuple(f"-D{name}={value}" for name, value in properties.items())
    classes = os.pathsep.join(f"{jars}{os.sep}*" for jars in (spark_java.jars(), spark_jars()))
    return (*jvm.start(HEAP_MEGABYTES), *memory, *spark_java.opened(), *defined, "-cp", f"{folder}{os.pathsep}{classes}")
