"""docker-compose.yml, read: what no container engine is needed for to see. Facts about images: docs/deployment.md."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from dotenv import dotenv_values
from ruamel.yaml import YAML
from sqlalchemy import make_url
from typer.main import get_command

from activities.settings import Serves
from devstack import topology
from starter.cli.app import app
from starter.console.settings import ConsoleSettings, console_url
from starter.console.sign_in import LocalSignIn
from starter.console.ways import sign_in_by
from starter.secret_files import DATABASE_PASSWORD_FILE, SECRETS
from stockkeeper.contracts.settings import OTHER_SETTINGS, PREFIX, require_known
from worker import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCUMENTED = (ROOT / "docs" / "deployment.md").read_text()


def yaml(path: Path) -> Any:
    """A YAML file; a key that is given twice is an error."""
    return YAML(typ="safe").load(path)


COMPOSE = yaml(ROOT / "docker-compose.yml")
SERVICES: Mapping[str, Mapping[str, Any]] = COMPOSE["services"]
PREPARE = {"roles", "temporal-schema", "temporal-namespace", "setup"}
SERVE = SERVICES.keys() - PREPARE
OURS = {"setup", "worker", "bulk-worker", "console"}
PLAIN = {name for name, service in SERVICES.items() if "profiles" not in service}

# Temporal's server takes connections for each of its four services: 20 for runs, 10 for visibility.
TEMPORAL_CONNECTIONS = 4 * (20 + 10)
FOR_PEOPLE = 30
NAME = re.compile(r"\$\{(\w+)")
_OF_WORKERS = {
    *("STOCKKEEPER_SERVES", "OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL"),
}
EXPECTED_ENVIRONMENT = {"worker": _OF_WORKERS, "bulk-worker": _OF_WORKERS}


def variables(service: str) -> dict[str, str]:
    """The variables that a service's environment files give it."""
    found: dict[str, str] = {}
    for file in SERVICES[service].get("env_file", []):
        found |= {name: value or "" for name, value in dotenv_values(ROOT / file, interpolate=False).items()}
    return found


def everything() -> Iterator[tuple[str, str]]:
    """All that is deployed, by its path: not the dashboards, and no secret."""
    for path in (ROOT / "docker-compose.yml", ROOT / "Dockerfile", *DEPLOY.rglob("*")):
        if path.is_file() and path.suffix != ".json" and path.parent.name != "secrets":
            yield path.relative_to(ROOT).as_posix(), path.read_text()


def test_the_plain_stack_and_the_profiles_are_these() -> None:
    assert {"postgresql", "temporal", "temporal-ui", "worker", "console"} | PREPARE == PLAIN
    others = {(name, *service["profiles"]) for name, service in SERVICES.items() if name not in PLAIN}
    watching = {(name, "observability") for name in ("prometheus", "grafana", "otel-collector", "jaeger")}
    assert others == watching | {("bulk-worker", "bulk")}


def test_bulk_work_has_a_worker_of_its_own_that_is_another_ones_in_all_else() -> None:
    worker, bulk = SERVICES["worker"], SERVICES["bulk-worker"]
    own = {"environment", "deploy", "profiles", "cpu_shares"}
    assert {name: bulk[name] for name in bulk.keys() - own} == {name: worker[name] for name in worker.keys() - own}
    serves = "STOCKKEEPER_SERVES"
    assert (worker["environment"][serves], bulk["environment"][serves]) == ("${STOCKKEEPER_SERVES:-all}", "bulk")
    assert {**bulk["environment"], serves: ""} == {**worker["environment"], serves: ""}
    assert {each.value for each in Serves} == {"all", "orders", "bulk"}
    assert (bulk["deploy"], bulk["cpu_shares"]) == ({"replicas": 1}, 512)


@pytest.mark.parametrize("name", sorted(SERVE))
def test_what_serves_comes_back_after_a_reboot_and_says_whether_it_is_well(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    check = service["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} == check.keys() - {"test"}


@pytest.mark.parametrize("name", sorted(PREPARE))
def test_what_prepares_is_tried_again_and_then_is_done(name: str) -> None:
    assert SERVICES[name]["restart"] == "on-failure:5"
    assert "healthcheck" not in SERVICES[name]


def test_each_service_waits_until_what_it_needs_is_well_or_done() -> None:
    waits = {
        name: {other: wait["condition"] for other, wait in service["depends_on"].items()}
        for name, service in SERVICES.items()
        if "depends_on" in service
    }
    healthy, done = "service_healthy", "service_completed_successfully"
    assert waits == {
        "roles": {"postgresql": healthy},
        "temporal-schema": {"roles": done},
        "temporal": {"temporal-schema": done},
        "temporal-namespace": {"temporal": healthy},
        "temporal-ui": {"temporal": healthy},
        "setup": {"temporal-namespace": done},
        "worker": {"setup": done},
        "bulk-worker": {"setup": done},
        "console": {"setup": done},
    }


def test_every_image_is_of_one_version_and_has_its_row_among_the_facts() -> None:
    images = {service["image"] for service in SERVICES.values()}
    own = {image for image in images if image.endswith(":local")}
    assert own == {"stockkeeper:local", "stockkeeper-otel-collector:local"}
    collector = (ROOT / SERVICES["otel-collector"]["build"] / "Dockerfile").read_text()
    images = images - own | set(re.findall(r"^FROM (\S+)", collector, re.MULTILINE))
    for image in images:
        name, _, version = image.partition(":")
        assert re.fullmatch(r"v?\d+\.\d+(\.\d+)?(-musl)?", version), image
        assert f"`{name}:{version}`" in DOCUMENTED, image
    assert SERVICES["temporal"]["image"].partition(":")[2] == SERVICES["temporal-schema"]["image"].partition(":")[2]


def test_setup_and_workers_are_one_image_that_may_change_nothing_of_itself() -> None:
    for name in OURS:
        service = SERVICES[name]
        assert (service["image"], service["build"]) == ("stockkeeper:local", ".")
        assert (service["read_only"], service["cap_drop"], service["tmpfs"]) == (True, ["ALL"], ["/tmp"])  # noqa: S108
    for name, service in SERVICES.items():
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not {"privileged", "network_mode", "pid"} & service.keys(), name


def test_nothing_is_published_beyond_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        "temporal": ["127.0.0.1:7233:7233"],
        "temporal-ui": ["127.0.0.1:8233:8080"],
        "console": ["127.0.0.1:8090:8090"],
        "prometheus": ["127.0.0.1:9090:9090"],
        "grafana": ["127.0.0.1:3000:3000"],
        "jaeger": ["127.0.0.1:16686:16686"],
    }


def test_each_service_has_the_passwords_that_it_needs_and_no_other() -> None:
    assert {name: service["secrets"] for name, service in SERVICES.items() if "secrets" in service} == {
        "postgresql": ["postgres_password"],
        "roles": [
            *("postgres_password", "owner_password", "worker_password", "reader_password", "exporter_password"),
            "temporal_password",
        ],
        "temporal-schema": ["temporal_password"],
        "temporal": ["temporal_password"],
        "setup": ["owner_password"],
        "worker": ["worker_password"],
        "bulk-worker": ["worker_password"],
        "grafana": ["grafana_password"],
    }
    made = re.search(r"^for name in (.*); do$", (DEPLOY / "make-secrets").read_text(), re.MULTILINE)
    assert made is not None
    assert COMPOSE["secrets"] == {
        f"{name}_password": {"file": f"${{STOCKKEEPER_SECRETS:-./deploy/secrets}}/{name}_password"}
        for name in made[1].split()
    }


@pytest.mark.parametrize(
    ("name", "role", "password"),
    [
        ("setup", "stockkeeper_owner", "owner_password"),
        ("worker", "stockkeeper_worker", "worker_password"),
        ("bulk-worker", "stockkeeper_worker", "worker_password"),
    ],
)
def test_setup_and_workers_log_in_by_a_role_of_their_own_with_the_password_from_a_file(
    name: str, role: str, password: str
) -> None:
    given = variables(name)
    url = make_url(given["DATABASE_URL"])
    assert (url.username, url.password, f"{url.host}:{url.port}", url.database) == (
        role,
        None,
        topology.POSTGRESQL,
        "stockkeeper",
    )
    assert given[DATABASE_PASSWORD_FILE] == f"{topology.SECRETS}/{password}"
    assert "STOCKKEEPER_DATABASE_ROLE" not in given
    assert given["TEMPORAL_ADDRESS"] == topology.TEMPORAL


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_variable_of_ours_is_known(name: str) -> None:
    given = variables(name)
    require_known(given)
    others = {each for each in given if not each.startswith(PREFIX)}
    known = {"DATABASE_URL", DATABASE_PASSWORD_FILE, "TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"}
    assert others - {f"{each}_FILE" for each in SECRETS} <= known
    assert SERVICES[name].get("environment", {}).keys() == EXPECTED_ENVIRONMENT.get(name, set())


def test_the_workers_settings_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [each for each in os.environ if each.startswith(PREFIX)]:
        monkeypatch.delenv(variable)
    for variable, value in variables("worker").items():
        monkeypatch.setenv(variable, value)
    settings = Settings()
    assert (settings.metrics_address, settings.health_address) == (topology.METRICS, topology.HEALTH)
    assert settings.build_id is None
    workers = int(re.sub(r".*:-(\d+)}", r"\1", str(SERVICES["worker"]["deploy"]["replicas"])))
    assert workers == topology.WORKERS
    command = SERVICES["postgresql"]["command"]
    [most] = [int(word.partition("=")[2]) for word in command if word.startswith("max_connections=")]
    # Room for a worker of the next version beside each one, while the older ones finish.
    assert most >= TEMPORAL_CONNECTIONS + FOR_PEOPLE + 2 * workers * (settings.connections + 3)


def test_the_console_listens_where_its_port_is_and_its_settings_are_right() -> None:
    given = variables("console")
    url = console_url(given, "")
    assert SERVICES["console"]["command"] == ["stockkeeper", "console", "--host", "0.0.0.0"]  # noqa: S104
    ports = {parameter.name: parameter.default for parameter in get_command(app).commands["console"].params}  # type: ignore[attr-defined]
    [published] = SERVICES["console"]["ports"]
    assert published == f"127.0.0.1:{urlsplit(url).port}:{ports['port']}"
    sign_in, people = sign_in_by(given, ConsoleSettings(url), [], [])
    assert isinstance(sign_in, LocalSignIn)
    # It knows no database, and has no password.
    assert [each.person for each in people] == ["ada", "ben"]
    assert {"DATABASE_URL", DATABASE_PASSWORD_FILE} & given.keys() == set()
    assert "secrets" not in SERVICES["console"]


def test_temporals_server_is_told_what_can_never_be_changed_and_where_its_files_are() -> None:
    given = variables("temporal")
    assert given == variables("temporal-schema")
    assert {name for name in given if f"`{name}`" not in DOCUMENTED} == set()
    assert (given["DB"], f"{given['POSTGRES_SEEDS']}:{given['DB_PORT']}", given["POSTGRES_USER"]) == (
        "postgres12",
        topology.POSTGRESQL,
        "temporal",
    )
    assert (given["DBNAME"], given["VISIBILITY_DBNAME"]) == ("temporal", "temporal_visibility")
    assert given["NUM_HISTORY_SHARDS"] == "512"
    mounted = {volume.split(":")[1]: volume.split(":")[0] for volume in SERVICES["temporal"]["volumes"]}
    assert mounted[given["DYNAMIC_CONFIG_FILE_PATH"]] == "./deploy/temporal/dynamicconfig.yaml"
    assert mounted[SERVICES["temporal"]["entrypoint"][1]] == "./deploy/temporal/start.sh"
    switched_on = ("activity.enableStandalone", "matching.enableFairness")
    assert yaml(DEPLOY / "temporal" / "dynamicconfig.yaml") == {name: [{"value": True}] for name in switched_on}


def test_what_compose_asks_of_whoever_starts_it_are_settings_that_the_command_line_knows() -> None:
    asked = {*NAME.findall((ROOT / "docker-compose.yml").read_text())}
    handed_on = {"STOCKKEEPER_SERVES", "OTEL_TRACES_EXPORTER"}
    assert asked == {"STOCKKEEPER_SECRETS", "STOCKKEEPER_WORKERS"} | handed_on
    assert {name.removeprefix(PREFIX) for name in asked - handed_on} <= OTHER_SETTINGS


def test_everything_that_is_mounted_is_there() -> None:
    volumes = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    named = {volume for volume in volumes if not volume.startswith(".")}
    assert named == COMPOSE["volumes"].keys()
    assert [volume for volume in volumes - named if not (ROOT / volume).exists()] == []
    read_only = [volume for service in SERVICES.values() for volume in service.get("volumes", []) if volume[0] == "."]
    assert [volume for volume in read_only if not volume.endswith(":ro")] == []


def test_no_error_is_hidden_and_no_password_is_written_down() -> None:
    for path, text in everything():
        code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
        assert "|| true" not in code, path
        assert "set +e" not in code, path
        assert not re.search(r"://[^/\s:@$]+:[^/\s@]+@", code), path
        if path.endswith(".sh"):
            assert "\nset -eu\n" in text, path


def test_prometheus_asks_every_worker_and_services_that_there_are() -> None:
    config = yaml(DEPLOY / "prometheus" / "prometheus.yml")
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    port = int(topology.METRICS.split(":")[1])
    assert jobs["stockkeeper"]["dns_sd_configs"] == [
        {"names": [name], "type": "A", "port": port, "refresh_interval": "15s"} for name in ("worker", "bulk-worker")
    ]
    targets = {name: job["static_configs"][0]["targets"] for name, job in jobs.items() if "static_configs" in job}
    assert targets == {
        "temporal": [f"temporal:{variables('temporal')['PROMETHEUS_ENDPOINT'].split(':')[1]}"],
        "otel-collector": ["otel-collector:8888"],
        "prometheus": ["127.0.0.1:9090"],
    }
    assert config["rule_files"] == ["alerts*.yml"]


def test_traces_go_from_the_workers_by_the_collector_to_jaeger() -> None:
    sent = urlsplit(SERVICES["worker"]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"])
    collector = yaml(DEPLOY / "otel-collector" / "config.yaml")
    listens = collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    assert (sent.scheme, sent.hostname, str(sent.port)) == ("http", "otel-collector", listens.rpartition(":")[2])
    assert collector["service"]["pipelines"]["traces"]["exporters"] == ["otlp_grpc"]
    assert collector["exporters"]["otlp_grpc"]["endpoint"] == "jaeger:4317"
    assert collector["service"]["extensions"] == ["health_check"]


def test_grafana_finds_prometheus_jaeger_and_our_dashboards() -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    sources = {
        each["name"]: each["url"] for each in yaml(provisioning / "datasources" / "stockkeeper.yaml")["datasources"]
    }
    assert sources == {"Prometheus": "http://prometheus:9090", "Jaeger": "http://jaeger:16686"}
    [provider] = yaml(provisioning / "dashboards" / "stockkeeper.yaml")["providers"]
    mounted = {volume.split(":")[1]: volume.split(":")[0] for volume in SERVICES["grafana"]["volumes"]}
    assert provider["options"]["path"] == "/etc/grafana/stockkeeper/dashboards"
    assert mounted["/etc/grafana/stockkeeper"] == "./deploy/grafana"
