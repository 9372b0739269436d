"""What every process of Spark is started with, be it the Connect server, a master or a worker."""

import os
import sys
from pathlib import Path

from infra.install import java
from infra.stack.layout import Layout
from infra.stack.secret_files import write_private
from infra.stack.services.kafka import jaas_section

OPENS = (
    *(f"java.base/java.{name}" for name in ("lang", "lang.invoke", "lang.reflect", "io", "net", "nio", "util")),
    *(f"java.base/java.util.{name}" for name in ("concurrent", "concurrent.atomic")),
    *(f"java.base/sun.{name}" for name in ("nio.ch", "nio.cs", "security.action", "util.calendar")),
    "java.base/jdk.internal.ref",
    "java.security.jgss/sun.security.krb5",
)
LOGGING = """
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.target = SYSTEM_ERR
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %c{1}: %m%n
"""


def write_logging(layout: Layout, service: str) -> Path:
    """Write what a service logs; returns the folder of its configuration."""
    folder = layout.config / service
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log4j2.properties").write_text(LOGGING)
    return folder


def environment(folder: Path) -> dict[str, str]:
    """What every process of Spark finds in its environment.

    Args:
        folder: Of its configuration.
    """
    return {
        "SPARK_CONF_DIR": str(folder),
        "SPARK_HOME": str(_pyspark()),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "MALLOC_ARENA_MAX": "2",  # the C library otherwise keeps an arena of memory for every few threads
        "JAVA_HOME": str(java().parent.parent),
        "SPARK_SCALA_VERSION": _scala(),  # a worker would look for it in folders that only a checkout of Spark has
    }


def store_login(layout: Layout) -> dict[str, str]:
    """Where those who read and write objects find their login."""
    keys = f"[default]\naws_access_key_id = spark\naws_secret_access_key = {layout.secret('minio-spark')}\n"
    written = write_private(layout.private / "spark-s3.ini", keys)
    return {"AWS_SHARED_CREDENTIALS_FILE": str(written), "AWS_CONFIG_FILE": os.devnull}


def opened() -> tuple[str, ...]:
    """What Spark uses of Java's own packages."""
    return tuple(f"--add-opens={name}=ALL-UNNAMED" for name in OPENS)


def write_login(layout: Layout) -> Path:
    """Write the login with which Spark reads from Kafka."""
    login = jaas_section("KafkaClient", "landing", layout.secret("kafka-landing"))
    return write_private(layout.private / "spark-jaas.conf", login)


def jars() -> Path:
    """The folder of Spark's own classes."""
    return _pyspark() / "jars"


def _scala() -> str:
    core = next(jars().glob("spark-core_*.jar"))
    return core.name.removeprefix("spark-core_").partition("-")[0]


def _pyspark() -> Path:
    import pyspark

    return Path(pyspark.__file__).parent
