"""A pipeline file says what it means, and a wrong one says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import validate

from pengi_stream.config import PipelineConfig, json_schema, load_config, parse_config
from pengi_stream.errors import ConfigError
from pengi_stream.kafka.dead_letters import KafkaDeadLettersConfig
from pengi_stream.options import DecodingOptions

FILE = {"type": "file", "path": "a.wav"}
MINIMAL = {"model": {"type": "fake"}, "sources": [{"type": "file", "path": "a.wav"}]}


def parsed(data: dict[str, object], **layers: object) -> PipelineConfig:
    return parse_config(data, name="test", origin="test.yaml", **{"environment": {}, **layers})  # type: ignore[arg-type]


def test_a_file_may_be_as_short_as_its_sources(tmp_path: Path) -> None:
    file = tmp_path / "kitchen.yaml"
    file.write_text("sources: [{type: file, path: a.wav}]\n")
    config = load_config(file, environment={})
    assert config.name == "kitchen"
    assert config.model.type == "pengi"
    assert [prompt.build().text for prompt in config.prompts] == ["generate audio caption"]


def test_the_command_line_wins_over_the_environment_which_wins_over_the_file() -> None:
    data = {**MINIMAL, "batch": {"max_wait_s": 1, "max_batch_size": 2, "max_age_s": 3}}
    environment = {"PENGI_STREAM_BATCH__MAX_WAIT_S": "5", "PENGI_STREAM_BATCH__MAX_BATCH_SIZE": "6", "OTHER": "x"}
    batch = parsed(data, environment=environment, overrides=["batch.max_wait_s=7"]).batch
    assert (batch.max_wait_s, batch.max_batch_size, batch.max_age_s) == (7, 6, 3)


def test_an_item_of_a_list_is_overridden_by_its_index() -> None:
    config = parsed(MINIMAL, overrides=["sources.0.path=b.wav"])
    assert config.sources[0].model_dump()["path"] == "b.wav"


KAFKA = {"type": "kafka", "bootstrap_servers": ["a:9092"]}


def exactly_once(**parts: object) -> dict[str, object]:
    """A pipeline from Kafka to Kafka, with `parts` in place of others."""
    source = {**KAFKA, "topics": ["audio"], "group_id": "g"}
    console = {"type": "console", "required": False}
    ends = {"sources": [source], "sinks": [{**KAFKA, "topic": "events"}, console]}
    letters = {"dead_letters": {"type": "kafka", "topic": "dead"}}
    return {**ends, **letters, "delivery": {"guarantee": "exactly_once"}, **parts}


def test_a_setting_of_the_model_holds_for_the_default_model_too() -> None:
    short = {"sources": MINIMAL["sources"]}
    assert parsed(short, overrides=["model.device=cpu"]).model.model_dump()["device"] == "cpu"


def test_another_type_takes_none_of_the_keys_of_the_one_before() -> None:
    data = {**MINIMAL, "model": {"type": "pengi", "checkpoint": "mini"}}
    assert parsed(data, overrides=["model.window_s=2", "model.type=fake"]).model.model_dump()["window_s"] == 2
    variables = {"PENGI_STREAM_MODEL__CHECKPOINT": "base", "PENGI_STREAM_MODEL__TYPE": "pengi"}
    fake = {**MINIMAL, "model": {"type": "fake", "window_s": 2}}
    assert parsed(fake, environment=variables).model.model_dump()["checkpoint"] == "base"


def test_what_is_wrong_with_a_source_is_said_once_though_dead_letters_share_it() -> None:
    source = {**KAFKA, "topics": ["audio"], "group_id": "g", "security": {"protocol": "SASL_PLAINTEXT"}}
    with pytest.raises(ConfigError) as error:
        parsed({"sources": [source], "dead_letters": {"type": "kafka", "topic": "dead"}})
    assert str(error.value).count("needs `mechanism`") == 1


def test_exactly_once_is_possible_from_kafka_to_kafka() -> None:
    assert parsed({**MINIMAL, **exactly_once()}).delivery.guarantee == "exactly_once"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"batch": {"max_wait": 1}}, ["batch", "'max_wait'", "did you mean 'max_wait_s'?"]),
        ({"promts": []}, ["'promts'", "did you mean 'prompts'?"]),
        ({"sources": [{"type": "fil", "path": "a"}]}, ["sources.0", "'fil'", "did you mean 'file'?"]),
        ({"sources": [{"path": "a"}]}, ["sources.0", "`type` is missing", "file"]),
        ({"sources": [{"type": "file", "pth": "a"}]}, ["sources.0", "'pth'", "did you mean 'path'?"]),
        ({"sources": []}, ["sources"]),
        ({"sources": {"type": "file"}}, ["sources: expected a list"]),
        ({"gate": 3}, ["gate: expected a mapping"]),
        (
            {"sources": [{"type": "file", "path": 3}]},
            ["sources.0.path: Input should be a valid string", "expected a list"],
        ),
        ({"window": {"tail": "crop"}}, ["window.tail", "'pad', 'repeat' or 'drop'"]),
        ({"prompts": [{"id": "a"}]}, ["prompts.0", "'a'", "`text` or `task`"]),
        ({"prompts": [{"id": "a", "task": "captions"}]}, ["prompts.0", "'captions'", "caption"]),
        ({"prompts": [{"id": "a", "text": " "}]}, ["prompts.0", "'a'", "empty text"]),
        ({"prompts": [{"id": "a", "task": "question"}]}, ["'a'", "`task: question` and `question` go together"]),
        ({"prompts": [{"id": "a", "task": "tags", "question": "why?"}]}, ["'a'", "go together"]),
        ({"prompts": [{"id": "a", "task": "question", "question": ""}]}, ["'a'", "empty text"]),
        ({"prompts": [{"id": "a", "task": "tags", "beams": 3, "top_p": 0.9}]}, ["prompts.0", "top_p=0.9", "one beam"]),
        ({"prompts": [{"id": "a", "task": "tags", "stop": [""]}]}, ["prompts.0", "stop"]),
        ({"prompts": [{"id": "a", "task": "tags"}, {"id": "a", "task": "scene"}]}, ["found twice", "a"]),
        ({"prompts": [{"id": "a", "task": "classify"}]}, ["classify", "labels"]),
        ({"prompts": [{"id": "a", "task": "events", "labels": ["dog", " "]}]}, ["prompts.0", "empty label"]),
        ({"prompts": [{"id": "a", "task": "events", "labels": ["x", "x"]}]}, ["prompts.0", "a label twice"]),
        (
            {"delivery": {"guarantee": "exactly_once"}},
            ["delivery.guarantee: exactly_once needs a Kafka source, and Kafka sinks and dead letters", "found file"],
        ),
        (
            exactly_once(sinks=[{"type": "console"}]),
            ["exactly_once needs a Kafka source, and Kafka sinks and dead letters", "found console"],
        ),
        (
            exactly_once(sources=[{**KAFKA, "topics": [topic], "group_id": "g", "name": topic} for topic in "ab"]),
            ["delivery.guarantee: exactly_once needs one source", "found 2 and 1"],
        ),
        ({"sources": [{**FILE, "name": "yard"}, {**FILE, "name": "yard"}]}, ["names of sources", "found twice: yard"]),
        ({"sinks": [{"type": "console", "name": "x"}] * 2}, ["names of sinks must differ", "found twice: x"]),
        ({"sources": [{**FILE, "name": "back yard"}]}, ["sources.0.name"]),
        ({"sinks": [{"type": "console", "name": ""}]}, ["sinks.0.name"]),
        (
            {"sinks": [{"type": "console"}, {**KAFKA, "type": "windows", "topic": "w"}]},
            ["sinks take either windows or events, found console, windows"],
        ),
        (
            exactly_once(dead_letters={"type": "jsonl", "path": "dead"}),
            ["exactly_once needs a Kafka source, and Kafka sinks and dead letters", "found jsonl"],
        ),
        (exactly_once(sinks=[{**KAFKA, "topic": "a"}, {**KAFKA, "topic": "b"}]), ["one sink", "found 1 and 2"]),
        (
            exactly_once(prompts=[{"id": "steady", "task": "caption", "novelty": 0.1}]),
            ["exactly_once, and novelty in steady", "leave one of the two out"],
        ),
        (
            exactly_once(sinks=[{**KAFKA, "topic": "a", "bootstrap_servers": ["b:9092"]}]),
            ["one cluster", "found a:9092; b:9092"],
        ),
        (
            exactly_once(dead_letters={"type": "kafka", "topic": "dead", "security": {"protocol": "SSL"}}),
            ["one user for sink and dead letters", "`security` in dead_letters"],
        ),
        ({"dead_letters": {"type": "kafka", "topic": "dead"}}, ["dead_letters: `bootstrap_servers` is missing"]),
        (
            {"sinks": [{**KAFKA, "topic": "a", "security": {"protocol": "SSL", "ca_file": "none.pem"}}]},
            ["sinks.0.security", "`ca_file`: there is no file none.pem"],
        ),
    ],
)
def test_a_wrong_file_names_the_place_and_the_mend(data: dict[str, object], words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        parsed({**MINIMAL, **data})
    for word in ["test.yaml", *words]:
        assert word in str(error.value)
    assert "\n" not in str(error.value)
    assert "at least 1 item" not in str(error.value) or data == {"sources": []}


def test_a_wrong_key_in_the_environment_is_an_error_too() -> None:
    with pytest.raises(ConfigError, match="max_wait_s"):
        parsed(MINIMAL, environment={"PENGI_STREAM_BATCH__MAX_WAIT": "1"})


@pytest.mark.parametrize("override", ["batch", "sources.7.path=x", "name.x=1"])
def test_a_wrong_override_is_named(override: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        parsed(MINIMAL, overrides=[override])


@pytest.mark.parametrize("text", ["- just\n- a list\n", "a: [", "\x00"])
def test_a_file_that_is_no_pipeline_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        load_config(file, environment={})


SYNTAX_ERRORS = [
    "sinks: [{type: jsonl, password: hunter2",
    "sinks:\n  - {type: jsonl, password: hunter2: x}\n",
    "password: *hunter2\n",
    "password: !hunter2\n",
    "password: !hunter2 x\n",
    "password: &hunter2 x\nother: &hunter2 y\n",
    "password: @hunter2\n",
    "password: %hunter2\n",
    'password: "hunter2\n',
    "password: hunter2\n bad\n: [",
    "password: |hunter2\n",
    "{password hunter2}",
    "{hunter2 x: 1, hunter2 x: 2}",
    "hunter2",
    "\thunter2: x",
    "hunter2\x00",
]


@pytest.mark.parametrize("text", SYNTAX_ERRORS)
def test_nothing_of_a_file_with_a_syntax_error_is_quoted(tmp_path: Path, text: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_config(file, environment={})
    assert "hunter2" not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", SYNTAX_ERRORS)
def test_nothing_of_a_wrong_value_in_the_environment_or_on_the_command_line_is_quoted(text: str) -> None:
    for layers in ({"environment": {"PENGI_STREAM_SINKS": text}}, {"overrides": [f"sinks={text}"]}):
        with pytest.raises(ConfigError) as error:
            parsed(MINIMAL, **layers)
        assert "hunter2" not in str(error.value)
    with pytest.raises(ConfigError) as error:
        parsed(MINIMAL, overrides=["sinks.0.password:hunter2"])
    assert "hunter2" not in str(error.value)
    with pytest.raises(ConfigError) as error:
        parsed({**MINIMAL, "name": "hunter2"}, overrides=["name.x=1"])
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("server", ["https://user:hunter2@host", "user:hunter2@host:9092", "hunter2/x"])
def test_an_address_with_a_password_in_it_is_not_quoted(server: str) -> None:
    with pytest.raises(ConfigError, match="expected host:port") as error:
        parsed({**MINIMAL, "sinks": [{**KAFKA, "topic": "a", "bootstrap_servers": [server]}]})
    assert "hunter2" not in str(error.value)


def test_a_key_that_stands_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "twice.yaml"
    file.write_text("sources: [{type: file, path: a}]\nsinks: [{type: console}]\nsinks: [{type: console}]\n")
    with pytest.raises(ConfigError, match=r"line 3.*found the key 'sinks' a second time"):
        load_config(file, environment={})
    file.write_text("base: &base {type: file}\nsources: [{<<: *base, path: a}]\n")
    with pytest.raises(ConfigError, match="unknown key 'base'"):  # merging is no repetition
        load_config(file, environment={})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml.*No such file"):
        load_config(tmp_path / "none.yaml")


def test_the_schema_accepts_what_the_parser_accepts() -> None:
    schema = json_schema()
    validate({**MINIMAL, "prompts": [{"id": "a", "task": "tags"}], "sinks": [{"type": "jsonl", "path": "x"}]}, schema)
    assert "starts_at" in str(schema["properties"]["sources"])


def test_dead_letters_in_kafka_are_on_the_cluster_of_the_source_unless_they_say_where(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("a certificate")
    tls = {"protocol": "SSL", "ca_file": str(authority)}
    source = {**KAFKA, "topics": ["audio"], "group_id": "g", "security": tls}
    letters = {"type": "kafka", "topic": "dead"}

    def found(*sources: object, **keys: object) -> tuple[object, object]:
        config = parsed({"sources": sources, "dead_letters": {**letters, **keys}}).dead_letters
        assert isinstance(config, KafkaDeadLettersConfig)
        return config.bootstrap_servers, config.security.protocol

    assert found(FILE, source) == (("a:9092",), "SSL")
    assert found(source, security={"protocol": "PLAINTEXT"}) == (("a:9092",), "PLAINTEXT")
    assert found(source, bootstrap_servers=["b:9092"]) == (("b:9092",), "PLAINTEXT")
    assert found(FILE, bootstrap_servers=["b:9092"]) == (("b:9092",), "PLAINTEXT")


@pytest.mark.parametrize(
    ("parts", "names"),
    [
        ([FILE], ["file"]),
        ([FILE, FILE], ["file-1", "file-2"]),
        ([FILE, {"type": "synthetic"}], ["file", "synthetic"]),
        ([{**FILE, "name": "yard"}, FILE], ["yard", "file"]),
        ([{**FILE, "name": "yard"}, FILE, FILE], ["yard", "file-1", "file-2"]),
    ],
    ids=str,
)
def test_a_source_is_called_as_the_file_says_or_by_its_type(parts: list[object], names: list[str]) -> None:
    assert parsed({**MINIMAL, "sources": parts}).source_names == names


def test_a_name_that_a_type_gave_clashes_with_the_same_name_that_was_given() -> None:
    with pytest.raises(ConfigError, match="names of sources must differ; found twice: file-1"):
        parsed({**MINIMAL, "sources": [{**FILE, "name": "file-1"}, FILE, FILE]})


def test_sinks_have_names_too_and_a_name_may_be_overridden() -> None:
    sinks = [{"type": "console"}, {"type": "jsonl", "path": "x", "name": "archive"}, {"type": "jsonl", "path": "y"}]
    assert parsed({**MINIMAL, "sinks": sinks}).sink_names == ["console", "archive", "jsonl"]
    assert parsed({**MINIMAL, "sinks": sinks}, overrides=["sinks.2.name=copy"]).sink_names[2] == "copy"


def test_a_prompt_may_be_told_to_give_only_changes() -> None:
    prompts = [{"id": "a", "task": "tags", "only_changes": True}, {"id": "b", "task": "tags"}]
    found = parsed({**MINIMAL, "prompts": prompts}).prompts
    assert [prompt.build().only_changes for prompt in found] == [True, False]


@pytest.mark.parametrize(
    ("task", "text"),
    [
        ({"task": "caption"}, "generate audio caption"),
        ({"task": "tags"}, "generate metadata"),
        ({"task": "events"}, "this is a sound of"),
        ({"task": "scene"}, "this acoustic scene is"),
        ({"task": "emotion"}, "this emotion is"),
        ({"task": "sentiment"}, "this sentiment is"),
        ({"task": "music"}, "music analysis this is a sound of"),
        ({"task": "question", "question": "is there a dog?"}, "question: is there a dog?"),
        ({"task": "classify", "labels": ["rain", "wind"]}, "this is a sound of"),
    ],
    ids=str,
)
def test_a_task_asks_the_prompt_of_the_paper(task: dict[str, object], text: str) -> None:
    [prompt] = parsed({**MINIMAL, "prompts": [{"id": "a", **task}]}).prompts
    assert prompt.build().text == text


def test_a_prompt_says_how_its_text_is_decoded() -> None:
    options = {"max_new_tokens": 9, "temperature": 0.5, "top_p": 0.9, "seed": 4, "add_text": " and", "stop": ["."]}
    [prompt] = parsed({**MINIMAL, "prompts": [{"id": "a", "task": "tags", **options}]}).prompts
    assert prompt.build().options == DecodingOptions(1, 9, 0.5, 0.9, 4, " and", (".",))
    assert prompt.build().novelty is None
