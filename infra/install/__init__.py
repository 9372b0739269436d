"""What the stack runs on: programs from wheels, and artefacts that are built on demand and cached.

Each function returns a path that is ready to be used; the first call may download or build, every later one is instant.
"""

from infra.install.browser import ChromiumPaths, chinese_font, chromium
from infra.install.crds import strimzi_crds
from infra.install.jars import broker_jars, spark_jars
from infra.install.minio_build import minio
from infra.install.network import trust_store
from infra.install.programs import clean_environment, java, postgres_bin

__all__ = [
    "ChromiumPaths",
    "broker_jars",
    "chinese_font",
    "chromium",
    "clean_environment",
    "java",
    "minio",
    "postgres_bin",
    "spark_jars",
    "strimzi_crds",
    "trust_store",
]
