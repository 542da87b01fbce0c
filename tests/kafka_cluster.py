"""Real Kafka brokers for tests, started from any download of Apache Kafka (3.9 or newer) at KAFKA_HOME."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from kafka_certificates import make_certificates

USER, PASSWORD = "alice", "alice-secret"
LISTENERS = {
    "PLAINTEXT": "PLAINTEXT",
    "CONTROLLER": "PLAINTEXT",
    "SASL_PLAINTEXT": "SASL_PLAINTEXT",
    "SSL": "SSL",
    "MUTUAL_SSL": "SSL",
    "SASL_SSL": "SASL_SSL",
}
"""Name of each listener, and the protocol spoken there; MUTUAL_SSL wants a client's certificate."""
CLUSTER_ID = "pengistreamtestcluster"
EPHEMERAL_PORTS = 32_768  # from here on a client that looks for a dead broker may take its port
START_S = 60.0
JAAS = "org.apache.kafka.common.security"


def free_ports(n: int) -> list[int]:
    """Ports on loopback that nobody has, and that no client gets by chance."""
    found: list[int] = []
    while len(found) < n:
        port = random.randrange(15_000, EPHEMERAL_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


@dataclass
class Node:
    """One broker, its ports by listener, and its process while it runs."""

    number: int
    folder: Path
    ports: dict[str, int]
    process: subprocess.Popen[bytes] | None = None

    @property
    def directory_id(self) -> str:
        return str(self.number) * 22

    @property
    def properties(self) -> Path:
        return self.folder / f"node-{self.number}.properties"

    @property
    def log(self) -> Path:
        return self.folder / f"node-{self.number}.log"

    def address(self, listener: str = "PLAINTEXT") -> str:
        return f"127.0.0.1:{self.ports[listener]}"

    def signal(self, number: int) -> None:
        """Send `number` and wait until the process is gone."""
        if self.process is None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:  # a broker whose quorum is gone would wait for it for minutes
            self.process.kill()
            self.process.wait()
        self.process = None


@dataclass
class Kafka:
    """A cluster that was there already: what it cannot show makes a test skip."""

    bootstrap: str
    """`host:port` of the plaintext listeners, with commas"""
    origin: str
    client_options: dict[str, object] = field(default_factory=dict)
    """What clients need with this broker, as keyword arguments of kafka-python"""
    lacks: frozenset[str] = frozenset()
    """What it does not do as Kafka does"""

    @property
    def servers(self) -> list[str]:
        return self.bootstrap.split(",")

    def needs(self, what: str) -> None:
        """Skip the test where the broker does not show `what`."""
        if what in self.lacks:
            pytest.skip(f"{self.origin} has no {what}")

    def create_topic(self, name: str, partitions: int = 1, **configs: str) -> str:
        """Make a topic with settings such as `max_message_bytes="2000"`, and wait until it has leaders."""
        admin = KafkaAdminClient(bootstrap_servers=self.servers, **self.client_options)
        try:
            settings = {key.replace("_", "."): value for key, value in configs.items()}
            admin.create_topics(
                {name: {"num_partitions": partitions, "configs": settings}}, wait_for_metadata=True, timeout_ms=20_000
            )
        finally:
            admin.close()
        return name

    def new_topic(self, partitions: int = 1, **configs: str) -> str:
        """As `create_topic`, with a name that no other test uses."""
        return self.create_topic(f"topic-{uuid.uuid4().hex[:12]}", partitions, **configs)

    def listener(self, name: str) -> str:
        """Bootstrap servers of one of LISTENERS."""
        pytest.skip(f"{self.origin} has no listeners of ours")

    @property
    def tls(self) -> Path:
        """Folder with ca.pem, other-ca.pem, client.pem and client.key."""
        pytest.skip(f"{self.origin} has no certificates of ours")

    def kill(self, node: int = 1) -> None:
        """kill -9."""
        pytest.skip(f"{self.origin} cannot be killed")

    def restart(self, node: int = 1) -> None:
        """Start a killed broker again, on the same data and ports, and wait for it."""
        pytest.skip(f"{self.origin} cannot be started again")


@dataclass
class OwnCluster(Kafka):
    """Brokers started from KAFKA_HOME."""

    home: Path = Path()
    folder: Path = Path()
    nodes: list[Node] = field(default_factory=list)

    @property
    def tls(self) -> Path:
        return self.folder / "tls"

    def listener(self, name: str) -> str:
        return ",".join(node.address(name) for node in self.nodes)

    def kill(self, node: int = 1) -> None:
        self.nodes[node - 1].signal(signal.SIGKILL)

    def restart(self, node: int = 1) -> None:
        self.launch(self.nodes[node - 1])
        self.wait()

    def launch(self, node: Node) -> None:
        if node.process is None:
            with node.log.open("ab") as log:
                node.process = subprocess.Popen(
                    [self.home / "bin/kafka-server-start.sh", node.properties],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self._environment(),
                    start_new_session=True,
                )

    def wait(self) -> None:
        """Until all nodes that run serve clients."""
        running = [node for node in self.nodes if node.process is not None]
        patient_until = time.monotonic() + START_S
        for node in running:
            while not serves(node.address()):
                if node.process is None or node.process.poll() is not None or time.monotonic() > patient_until:
                    raise RuntimeError(f"node {node.number} did not start: {node.log.read_text()[-3000:]}")
                time.sleep(0.1)

    def format(self, node: Node) -> None:
        """Write its properties and make its data folder."""
        node.properties.write_text("".join(f"{key}={value}\n" for key, value in self._properties(node).items()))
        voters = ",".join(f"{n.number}@{n.address('CONTROLLER')}:{n.directory_id}" for n in self.nodes)
        command = [self.home / "bin/kafka-storage.sh", "format", "-t", CLUSTER_ID, "-c", node.properties]
        command += ["--initial-controllers", voters]
        for bits in (256, 512):
            command += ["--add-scram", f"SCRAM-SHA-{bits}=[name={USER},password={PASSWORD}]"]
        done = subprocess.run(command, env=self._environment(), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"kafka-storage.sh format: {done.stdout[-2000:]}{done.stderr[-2000:]}")

    def _environment(self) -> dict[str, str]:
        return {"KAFKA_HEAP_OPTS": "-Xmx512m", **os.environ, "LOG_DIR": str(self.folder / "logs")}

    def _properties(self, node: Node) -> dict[str, object]:
        replicas = min(3, len(self.nodes))
        addresses = ",".join(f"{name}://{node.address(name)}" for name in LISTENERS)
        properties: dict[str, object] = {
            "process.roles": "broker,controller",
            "node.id": node.number,
            "controller.quorum.bootstrap.servers": ",".join(n.address("CONTROLLER") for n in self.nodes),
            "listeners": addresses,
            "advertised.listeners": addresses,
            "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in LISTENERS.items()),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": self.folder / f"node-{node.number}",
            "auto.create.topics.enable": "false",
            "default.replication.factor": replicas,
            "min.insync.replicas": max(1, replicas - 1),
            "offsets.topic.replication.factor": replicas,
            "offsets.topic.num.partitions": 5,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": max(1, replicas - 1),
            "transaction.state.log.num.partitions": 5,
            "share.coordinator.state.topic.replication.factor": replicas,
            "group.initial.rebalance.delay.ms": 0,
            "broker.session.timeout.ms": 6000,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "true",
            "super.users": "User:ANONYMOUS",
        }
        return properties | self._security()

    def _security(self) -> dict[str, object]:
        properties: dict[str, object] = {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self.tls / "server-keystore.pem",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.tls / "ca.pem",
            "listener.name.mutual_ssl.ssl.client.auth": "required",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
        }
        plain = f'{JAAS}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        bearer = f'{JAAS}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";'
        for listener in ("sasl_plaintext", "sasl_ssl"):
            jaas = f"listener.name.{listener}.{{}}.sasl.jaas.config"
            properties |= {
                jaas.format("plain"): plain,
                jaas.format("scram-sha-256"): f"{JAAS}.scram.ScramLoginModule required;",
                jaas.format("scram-sha-512"): f"{JAAS}.scram.ScramLoginModule required;",
                jaas.format("oauthbearer"): bearer,
            }
        return properties


def serves(address: str) -> bool:
    """Whether a broker answers there: it knows itself as a broker of the cluster."""
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
        admin = KafkaAdminClient(bootstrap_servers=[address], bootstrap_timeout_ms=2_000, request_timeout_ms=2_000)
    except Exception:  # noqa: BLE001  whatever it is, it does not serve yet
        return False
    admin.close()
    return True


@contextmanager
def own_cluster(home: Path, folder: Path, brokers: int = 1) -> Iterator[OwnCluster]:
    """`brokers` brokers with their data in `folder`, stopped at the end."""
    ports = iter(free_ports(len(LISTENERS) * brokers))
    nodes = [Node(n, folder, {name: next(ports) for name in LISTENERS}) for n in range(1, brokers + 1)]
    bootstrap = ",".join(node.address() for node in nodes)
    cluster = OwnCluster(bootstrap, f"Kafka at {home}", home=home, folder=folder, nodes=nodes)
    make_certificates(cluster.tls)
    try:
        for node in nodes:
            cluster.format(node)
        for node in nodes:
            cluster.launch(node)
        cluster.wait()
        yield cluster
    finally:
        for node in nodes:
            node.signal(signal.SIGKILL)


def missing_parts() -> str | None:
    """Why brokers cannot be started from KAFKA_HOME."""
    home = os.environ.get("KAFKA_HOME")
    if not home:
        return "KAFKA_HOME is not set (it names a download of Apache Kafka)"
    if not Path(home, "bin/kafka-server-start.sh").exists():
        return f"KAFKA_HOME is {home}, where no bin/kafka-server-start.sh is"
    for program in ("java", "openssl"):
        if shutil.which(program) is None:
            return f"{program} is not installed (apt-get install default-jre-headless openssl)"
    return None


def wait_for(condition: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Return when `condition` holds; fails after `seconds`, naming `what` was waited for."""
    patient_until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < patient_until, f"{what} did not happen within {seconds} s"
        time.sleep(0.05)
