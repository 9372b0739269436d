"""Kafka: one KRaft node, TLS and SCRAM on every listener, nothing allowed by default."""

import base64
import hashlib
import os
import secrets
import subprocess
import uuid
from pathlib import Path

from commonweal.errors import CommonwealError, ConfigError
from commonweal.settings import load_settings
from infra.install import broker_jars
from infra.stack.layout import Layout
from infra.stack.program import Launch
from infra.stack.secret_files import write_private
from infra.stack.services import jvm

ITERATIONS = 8192
SERVER = """
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:{controller}
listeners=CLIENT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=CLIENT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller}
listener.security.protocol.map=CLIENT:SASL_SSL,CONTROLLER:SASL_SSL
inter.broker.listener.name=CLIENT
controller.listener.names=CONTROLLER
sasl.enabled.mechanisms=SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
sasl.mechanism.controller.protocol=SCRAM-SHA-512
ssl.keystore.type=PEM
ssl.keystore.location={tls}/kafka.pem
ssl.truststore.type=PEM
ssl.truststore.location={tls}/ca.pem
ssl.client.auth=none
ssl.enabled.protocols=TLSv1.3,TLSv1.2
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:admin
allow.everyone.if.no.acl.found=false
auto.create.topics.enable=false
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.dirs={data}
log.retention.ms=-1
log.segment.bytes=67108864
num.network.threads=2
num.io.threads=4
num.partitions=1
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
"""
LOGGING = """
status = error
name = kafka
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %c{1} - %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
"""


def launch_kafka(layout: Layout) -> Launch:
    """The broker, which is its own controller; its folder is formatted at the first start."""
    folder = layout.config / "kafka"
    folder.mkdir(parents=True, exist_ok=True)
    names = {"client": layout.ports["kafka"], "controller": layout.ports["kafka-controller"]}
    (folder / "server.properties").write_text(SERVER.format(**names, tls=layout.tls, data=layout.data("kafka")))
    (folder / "log4j2.properties").write_text(LOGGING)
    jaas = write_private(layout.private / "kafka-jaas.conf", jaas_section("KafkaServer", "admin", layout.secret("kafka-admin")))
    if not (layout.data("kafka") / "meta.properties").is_file():
        _format(layout, folder)
    login = f"-Djava.security.auth.login.config={jaas}"
    # The first tier of compilation only while formatting: a broker that runs for days wants both.
    return Launch((*_java(folder, 512), "-Xms128m", login, *_classes("kafka.Kafka"), str(folder / "server.properties")))


def jaas_section(section: str, principal: str, secret: str) -> str:
    """A login of a JAAS file: the one way to hand Java a Kafka password that no configuration shows."""
    module = "org.apache.kafka.common.security.scram.ScramLoginModule"
    return f'{section} {{\n  {module} required username="{principal}" password="{secret}";\n}};\n'


def is_ready(layout: Layout) -> bool:
    """Whether the broker answers a call of the authenticated administrator."""
    from commonweal import bus

    try:
        # Signs in before it makes a client: one that never came up can't be closed, and tries on for as long as we live.
        with bus.admin(load_settings(layout.run_dir), "admin") as client:
            return bool(client.describe_cluster()["brokers"])
    except CommonwealError:
        return False


def _format(layout: Layout, folder: Path) -> None:
    """Format with the administrator's SCRAM credential, handed over in a private file of arguments."""
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    words = ["--standalone", "-t", cluster, "-c", str(folder / "server.properties"), "--add-scram", _credential(layout)]
    arguments = write_private(layout.private / "kafka-format.args", "\n".join(words))
    layout.data("kafka").mkdir(parents=True, exist_ok=True)
    quick = ("-XX:TieredStopAtLevel=1",)
    argv = (*_java(folder, 128), *quick, *_classes("kafka.tools.StorageTool"), "format", f"@{arguments}")
    # Its normal output shows the stored credential: it is kept out of the log.
    done = subprocess.run(argv, check=False, env=layout.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # noqa: S603
    arguments.unlink()
    if done.returncode:
        raise ConfigError(f"Kafka's folder {layout.data('kafka')} could not be formatted; the lines above say why")


def _credential(layout: Layout) -> str:
    salt = secrets.token_bytes(24)
    salted = hashlib.pbkdf2_hmac("sha512", layout.secret("kafka-admin").encode(), salt, ITERATIONS)
    encoded = [base64.b64encode(part).decode() for part in (salt, salted)]
    return f'SCRAM-SHA-512=[name=admin,iterations={ITERATIONS},salt="{encoded[0]}",saltedpassword="{encoded[1]}"]'


def _java(folder: Path, megabytes: int) -> tuple[str, ...]:
    logging = f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}"
    return (*jvm.start(megabytes), logging)


def _classes(main: str) -> tuple[str, ...]:
    return ("-cp", f"{broker_jars()}{os.sep}*", main)
