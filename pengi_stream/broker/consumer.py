"""A member of a consumer group: one thread polls, so that no stall of what follows evicts it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from kafka.errors import KafkaError, OffsetOutOfRangeError
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata

from pengi_stream.broker.assignment import Assignment, Starting
from pengi_stream.broker.config import partition_name
from pengi_stream.broker.connect import broker_error, connect
from pengi_stream.broker.inbox import Inbox, RawRecord, Records
from pengi_stream.broker.library_log import tame_library_log
from pengi_stream.broker.security import SecurityConfig
from pengi_stream.clock import Clock, Deadline
from pengi_stream.errors import BrokerError, SourceError
from pengi_stream.metrics import Metrics
from pengi_stream.status import Status
from pengi_stream.types import Position

log = structlog.get_logger()
