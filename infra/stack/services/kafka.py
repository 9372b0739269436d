"""Kafka: brokers that are their own controllers, TLS and a password on every listener, nothing allowed by default.

Everybody signs in with SCRAM but the controllers among themselves: a controller has no accounts to compare with before it has
found the others. They use PLAIN, over TLS as well.
"""

import base64
import hashlib
import os
import secrets
import subprocess
from pathlib import Path

from commonweal.errors import CommonwealError, ConfigError
from commonweal.settings import load_settings
from infra.install import broker_jars
from infra.stack.layout import APPLIED, Layout
from infra.stack.program import Launch
from infra.stack.secret_files import write_private
from infra.stack.services import jvm

ITERATIONS = 8192
SERVER = """
process.roles=broker,controller
node.id={number}
controller.quorum.bootstrap.servers={controllers}
listeners=CLIENT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=CLIENT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller}
listener.security.protocol.map=CLIENT:SASL_SSL,CONTROLLER:SASL_SSL
inter.broker.listener.name=CLIENT
controller.listener.names=CONTROLLER
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.controller.sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
sasl.mechanism.controller.protocol=PLAIN
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
broker.session.timeout.ms={patience}
broker.heartbeat.interval.ms=500
log.dirs={data}
log.retention.ms=-1
log.segment.bytes=67108864
num.network.threads=2
num.io.threads=4
num.partitions=1
default.replication.factor={replicas}
min.insync.replicas={quorum}
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={quorum}
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={quorum}
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


def launch_kafka(layout: Layout, number: int = 1) -> Launch:
    """A broker, which is its own controller; its folder is formatted at the first start.

    Args:
        layout: The stack.
        number: Which of the profile's brokers, from 1.
    """
    service = layout.profile.kafka[number - 1]
    folder = layout.config / service
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "server.properties").write_text(server_properties(layout, number))
    (folder / "log4j2.properties").write_text(LOGGING)
    secret = layout.secret("kafka-admin")
    sections = jaas_section("KafkaServer", "admin", secret) + _controllers_section(secret)
    jaas = write_private(layout.private / f"{service}-jaas.conf", sections)
    if not (layout.data(service) / "meta.properties").is_file():
        _refuse_forgetful(layout, service)
        _format(layout, number, folder)
    login = f"-Djava.security.auth.login.config={jaas}"
    # The first tier of compilation only while formatting: a broker that runs for days wants both.
    return Launch((*_java(folder, 512), "-Xms128m", login, *_classes("kafka.Kafka"), str(folder / "server.properties")))


def server_properties(layout: Layout, number: int) -> str:
    """The settings of a broker: topics are kept by up to three, and a write waits for most of these."""
    brokers = layout.profile.kafka
    replicas = min(3, len(brokers))
    return SERVER.format(
        number=number,
        client=layout.ports[brokers[number - 1]],
        controller=layout.ports[f"{brokers[number - 1]}-controller"],
        controllers=",".join(f"127.0.0.1:{layout.ports[f'{name}-controller']}" for name in brokers),
        replicas=replicas,
        quorum=replicas // 2 + 1,
        # Alone, a broker that comes back is to be taken for it soon; among others, one that is slow is not to be taken for dead.
        patience=3000 if len(brokers) == 1 else 9000,
        tls=layout.tls,
        data=layout.data(brokers[number - 1]),
    )


def jaas_section(section: str, principal: str, secret: str) -> str:
    """A login of a JAAS file: the one way to hand Java a Kafka password that no configuration shows."""
    module = "org.apache.kafka.common.security.scram.ScramLoginModule"
    return f'{section} {{\n  {module} required username="{principal}" password="{secret}";\n}};\n'


def is_ready(layout: Layout, number: int = 1) -> bool:
    """Whether the brokers know this one as one of them, as the authenticated administrator is told."""
    from commonweal import bus

    try:
        # Signs in before it makes a client: one that never came up can't be closed, and tries on for as long as we live.
        with bus.admin(load_settings(layout.run_dir), "admin") as client:
            known = client.describe_cluster()["brokers"]
            return any(broker["broker_id"] == number and not broker.get("is_fenced") for broker in known)
    except CommonwealError:
        return False


def _controllers_section(secret: str) -> str:
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    login = f'username="admin" password="{secret}" user_admin="{secret}"'
    return f"controller.KafkaServer {{\n  {module} required {login};\n}};\n"


def _refuse_forgetful(layout: Layout, service: str) -> None:
    """One of several brokers that has lost its folder must not vote as what it was: what it had agreed to would be undone."""
    if len(layout.profile.kafka) > 1 and (layout.run_dir / APPLIED).exists():
        raise ConfigError(
            f"{service} has lost what it kept in {layout.data(service)}, and the others would take it for the one that had not; "
            "put that folder back, or begin anew: commonweal stack reset, then commonweal restore"
        )


def _format(layout: Layout, number: int, folder: Path) -> None:
    """Format with the administrator's SCRAM credential, handed over in a private file of arguments."""
    brokers, properties = layout.profile.kafka, str(folder / "server.properties")
    words = [*quorum(layout), "-t", made_id(layout, "cluster"), "-c", properties, "--add-scram", _credential(layout)]
    arguments = write_private(layout.private / f"{brokers[number - 1]}-format.args", "\n".join(words))
    layout.data(brokers[number - 1]).mkdir(parents=True, exist_ok=True)
    quick = ("-XX:TieredStopAtLevel=1",)
    argv = (*_java(folder, 128), *quick, *_classes("kafka.tools.StorageTool"), "format", f"@{arguments}")
    # Its normal output shows the stored credential: it is kept out of the log.
    done = subprocess.run(argv, check=False, env=layout.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # noqa: S603
    arguments.unlink()
    if done.returncode:
        raise ConfigError(f"Kafka's folder {layout.data(brokers[number - 1])} could not be formatted; the lines above say why")


def quorum(layout: Layout) -> tuple[str, ...]:
    """Who the controllers are, as the tool wants to be told."""
    brokers = layout.profile.kafka
    if len(brokers) == 1:
        return ("--standalone",)
    places = {number: layout.ports[f"{name}-controller"] for number, name in enumerate(brokers, 1)}
    known = (f"{number}@127.0.0.1:{port}:{made_id(layout, f'directory {number}')}" for number, port in places.items())
    return ("--initial-controllers", ",".join(known))


def made_id(layout: Layout, of: str) -> str:
    """An id as Kafka makes them, the same whenever it is asked for: brokers must agree on them before they have met.

    Its first bit is 0: else it might begin with a dash, and be taken for an option.
    """
    made = hashlib.sha256(f"{of} of {layout.secret('kafka-admin')}".encode()).digest()
    return base64.urlsafe_b64encode(bytes((made[0] & 0x7F, *made[1:16]))).decode().rstrip("=")


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
