"""A Spark of several processes: a master, and workers whose executors do the work of the Connect server.

They know each other by a secret (``spark.authenticate``), which each has in its environment: among the Connect server's settings
its clients could read it.
"""

import base64
import hashlib
import os
import shutil
from pathlib import Path

from infra.install import java, spark_jars
from infra.stack.layout import REGION, Layout
from infra.stack.program import Launch
from infra.stack.secret_files import write_private
from infra.stack.services import jvm, spark_java

HEAP_MEGABYTES = 192
EXECUTOR_MEGABYTES = 1024
JAVA = """#!/bin/sh
# Spark tells each executor to load a module that it works without, and that this Java doesn't have.
for word do
    shift
    [ "$word" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$word"
done
exec '{java}' '-Djava.io.tmpdir={scratch}' "$@"
"""


def launch_spark_master(layout: Layout) -> Launch:
    """The master: it knows the workers, and gives their executors to the Connect server."""
    folder = spark_java.write_logging(layout, "spark-master")
    words = ("--host", "127.0.0.1", "--port", str(layout.ports["spark-master"]), *_options(layout, "spark-master"))
    own = spark_java.environment(folder) | authentication(layout)
    return Launch(_argv(folder, "org.apache.spark.deploy.master.Master", words), own)


def launch_spark_worker(layout: Layout, number: int) -> Launch:
    """A worker, which starts executors; they end when it does.

    Args:
        layout: The stack.
        number: Which of the profile's workers, from 1.
    """
    service = f"spark-worker-{number}"
    folder = spark_java.write_logging(layout, service)
    scratch = layout.data(service) / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)  # a killed worker leaves its own behind
    scratch.mkdir(parents=True)
    room = ("--cores", str(cores(layout)), "--memory", f"{EXECUTOR_MEGABYTES}m", "--work-dir", str(layout.data(service)))
    words = ("--host", "127.0.0.1", *room, *_options(layout, service), address(layout))
    places = {"JAVA_HOME": str(_java_of_executors(folder, scratch)), "SPARK_LOCAL_DIRS": str(scratch)}
    own = spark_java.environment(folder) | spark_java.store_login(layout) | authentication(layout) | places
    return Launch(_argv(folder, "org.apache.spark.deploy.worker.Worker", words), own)


def address(layout: Layout) -> str:
    """Where the master is."""
    return f"spark://127.0.0.1:{layout.ports['spark-master']}"


def cores(layout: Layout) -> int:
    """Of each worker: the machine's, shared out, and at least one."""
    return max(1, (os.cpu_count() or 1) // layout.profile.workers)


def configuration(layout: Layout) -> dict[str, str]:
    """What the Connect server's settings have in place of local work; every client may read them."""
    folder = layout.config / "spark"
    defined = {
        "java.security.auth.login.config": spark_java.write_login(layout),
        "aws.region": REGION,
        "aws.disableEc2Metadata": "true",
        "log4j2.configurationFile": folder / "log4j2.properties",
    }
    options = (*jvm.shared(), *(f'"-D{name}={value}"' for name, value in defined.items()))
    return {
        "spark.master": address(layout),
        "spark.authenticate": "true",
        "spark.authenticate.secret": "in the environment",  # Spark insists on the setting, and reads the environment first
        "spark.executor.logs.rolling.strategy": "size",
        "spark.executor.logs.rolling.maxSize": "10485760",
        "spark.executor.logs.rolling.maxRetainedFiles": "2",
        "spark.executor.cores": str(cores(layout)),
        "spark.executor.memory": f"{EXECUTOR_MEGABYTES}m",
        "spark.executor.extraClassPath": f"{spark_jars()}{os.sep}*",
        "spark.executor.extraJavaOptions": " ".join(options),
    }


def authentication(layout: Layout) -> dict[str, str]:
    """By which the processes know each other: for their environment."""
    return {"_SPARK_AUTH_SECRET": layout.secret("spark-cluster")}


def _options(layout: Layout, service: str) -> tuple[str, ...]:
    """A free port for the page that master and worker can't do without; nobody has the key that it asks for."""
    key = hashlib.sha256(f"page of {service} {layout.secret('spark-cluster')}".encode()).digest()
    settings = {
        "spark.authenticate": "true",
        "spark.ui.filters": "org.apache.spark.ui.JWSFilter",
        "spark.org.apache.spark.ui.JWSFilter.param.secretKey": base64.urlsafe_b64encode(key).decode(),
        "spark.ui.killEnabled": "false",
        "spark.worker.cleanup.enabled": "true",
        # A master that was killed knows again who works for whom; and none gives an application up, as on a disk that was full.
        "spark.deploy.recoveryMode": "FILESYSTEM",
        "spark.deploy.recoveryDirectory": str(layout.data("spark-master")),
        "spark.deploy.maxExecutorRetries": "-1",
        "spark.worker.timeout": "15",
    }
    text = "".join(f"{name} {value}\n" for name, value in settings.items())
    return ("--webui-port", "0", "--properties-file", str(write_private(layout.private / f"{service}.conf", text)))


def _argv(folder: Path, program: str, words: tuple[str, ...]) -> tuple[str, ...]:
    logging = f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}"
    classes = f"{folder}{os.pathsep}{spark_java.jars()}{os.sep}*"
    return (*jvm.start(HEAP_MEGABYTES), *spark_java.opened(), logging, "-cp", classes, program, *words)


def _java_of_executors(folder: Path, scratch: Path) -> Path:
    """The home of a Java that is the wheel's, started with one option less, and with a place for its own files."""
    path = folder / "java" / "bin" / "java"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(JAVA.format(java=java(), scratch=scratch))
    path.chmod(0o755)
    return path.parent.parent
