"""A frontend in step with the registry: whichever order news comes in, whatever cannot be loaded, it serves the newest
of what it can, says what it cannot, and never serves what was dropped."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flinkms_sql.catalog.address import parse_address
from flinkms_sql.catalog.memory import MemoryStore
from flinkms_sql.catalog.records import Column, Snapshot, TrainingOutcome, VersionRecord
from flinkms_sql.commands.generate_model import ModelSize, publish_random
from flinkms_sql.deploy.execute import Deployer
from flinkms_sql.errors import FlinkmsError
from flinkms_sql.modellog.stream import Stream, StreamColumn
from flinkms_sql.places import Places
from flinkms_sql.query.analyze import analyze
from flinkms_sql.serving import versions as versions_module
from flinkms_sql.serving.deploying import SessionDeployer
from flinkms_sql.serving.following import Following, reporter
from flinkms_sql.types import SqlType

SIZE = ModelSize(users=3, items=3, factors=2)


class StoreReader:
    """Reads snapshots of a store in this process."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store

    async def snapshot(self) -> Snapshot:
        return self.store.snapshot()


class Frontend:
    """A frontend's following over a registry in memory and files of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = MemoryStore()
        self.following = Following(StoreReader(self.store), Places(warehouse=folder), reporter(self.store, "here:1"))  # type: ignore[arg-type]

    def publish(self, name: str = "rec") -> VersionRecord:
        return publish_random(self.store, Places(warehouse=self.folder), name, "als", SIZE, lambda rows: None)

    def drop(self) -> None:
        """Drop rec, and its files: the next one of its name has the same directories."""
        self.store.drop_models(["rec"])
        shutil.rmtree(self.folder / "models" / "rec", ignore_errors=True)

    def places(self) -> tuple[Path, Path]:
        """Where the newest version of rec is, and where it is kept while it cannot be loaded."""
        number = len(self.store.versions("rec"))
        path = Path(self.store.version("rec", number).path.text)
        return path, path.with_name("kept")

    def hide(self) -> None:
        path, kept = self.places()
        path.rename(kept)

    def show(self) -> None:
        path, kept = self.places()
        kept.rename(path)

    def served(self, address: str = "rec") -> Path:
        """The directory of what answers."""
        return self.following.registry.resolve(parse_address(address)).view.path  # type: ignore[attr-defined]


def on_frontend(folder: Path, scenario: Callable[[Frontend], Awaitable[None]]) -> None:
    async def go() -> None:
        frontend = Frontend(folder)
        with closing(frontend.following.streams):
            await scenario(frontend)

    asyncio.run(go())


def test_what_cannot_be_loaded_leaves_the_former_version_and_is_said(tmp_path: Path) -> None:
    async def scenario(frontend: Frontend) -> None:
        first = frontend.publish()
        await frontend.following.catch_up()
        frontend.publish()
        frontend.hide()
        await frontend.following.catch_up()
        assert frontend.served() == Path(first.path.text)
        with pytest.raises(FlinkmsError, match='version 2 of model "rec" cannot be loaded') as caught:
            frontend.served("rec@2")
        assert caught.value.sqlstate == "55000" and "version.json" in caught.value.detail
        assert [(held.frontend, held.version) for held in frontend.store.load_failures()] == [("here:1", 2)]
        assert "version.json" in frontend.store.load_failures()[0].error

    on_frontend(tmp_path, scenario)


def test_what_becomes_loadable_is_served_without_a_change_of_the_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions_module, "PAUSE_S_MIN", 0.02)

    async def scenario(frontend: Frontend) -> None:
        frontend.publish()
        second = frontend.publish()
        frontend.hide()
        await frontend.following.catch_up()
        retrying = asyncio.ensure_future(frontend.following.versions.retry())
        await asyncio.sleep(0.1)
        assert frontend.served().name == "v1"
        frontend.show()
        for _ in range(500):
            if frontend.served() == Path(second.path.text) and not frontend.store.load_failures():
                break
            await asyncio.sleep(0.01)
        assert (frontend.served(), frontend.store.load_failures()) == (Path(second.path.text), [])
        retrying.cancel()

    on_frontend(tmp_path, scenario)


def test_nothing_is_served_in_place_of_a_first_version_that_cannot_be_loaded(tmp_path: Path) -> None:
    async def scenario(frontend: Frontend) -> None:
        frontend.publish()
        frontend.hide()
        await frontend.following.catch_up()
        with pytest.raises(FlinkmsError, match="cannot be loaded") as caught:
            frontend.served()
        assert caught.value.sqlstate == "55000"

    on_frontend(tmp_path, scenario)


@pytest.mark.parametrize("change", [{"algorithm": "oracle"}, {"input_types": ["XML"]}, {"constants": {}}])
def test_a_version_of_another_release_leaves_the_former_one(tmp_path: Path, change: Mapping[str, object]) -> None:
    async def scenario(frontend: Frontend) -> None:
        first, second = frontend.publish(), frontend.publish()
        file = Path(second.path.text) / "version.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
        await frontend.following.catch_up()
        assert frontend.served() == Path(first.path.text)

    on_frontend(tmp_path, scenario)


def test_a_model_dropped_and_created_again_between_two_looks_is_the_new_one(tmp_path: Path) -> None:
    async def scenario(frontend: Frontend) -> None:
        old = frontend.publish()
        await frontend.following.catch_up()
        held = frontend.following.registry.resolve(parse_address("rec"))
        frontend.drop()
        new = frontend.publish()
        assert new.version == old.version, "same name, same number"
        await frontend.following.catch_up()
        assert frontend.following.registry.resolve(parse_address("rec")) is not held
        frontend.drop()
        frontend.publish()
        frontend.hide()
        await frontend.following.catch_up()
        with pytest.raises(FlinkmsError, match="cannot be loaded"):
            frontend.served()

    on_frontend(tmp_path, scenario)


STEPS = st.lists(st.sampled_from(["publish", "promote", "drop", "other", "snapshot"]), min_size=1, max_size=8)


@given(steps=STEPS, order=st.randoms(use_true_random=False))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_snapshots_in_any_order_end_in_the_newest(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], order
) -> None:
    async def scenario(frontend: Frontend) -> None:
        snapshots = []
        for step in [*steps, "snapshot"]:
            models = frontend.store.snapshot().models
            match step:
                case "publish":
                    frontend.publish()
                case "other":
                    frontend.publish("other")
                case "promote" if "rec" in models:
                    frontend.store.set_alias("rec", "live", 1)
                case "drop" if "rec" in models:
                    frontend.drop()
            snapshots.append(frontend.store.snapshot())
        newest = snapshots[-1]
        order.shuffle(snapshots)
        await asyncio.gather(*(frontend.following.take(snapshot) for snapshot in snapshots))
        assert frontend.following.current().generation == newest.generation
        for (model, number), record in newest.versions.items():
            assert frontend.served(f"{model}@{number}") == Path(record.path.text)
        for (model, _), number in newest.aliases.items():
            assert frontend.following.registry.resolve(parse_address(model)).version == number
        assert len(frontend.following.registry.loaded()) == len(newest.versions)

    on_frontend(tmp_path_factory.mktemp("models"), scenario)


def test_a_promotion_to_what_cannot_be_loaded_is_refused_before_anything_changes(tmp_path: Path) -> None:
    async def scenario(frontend: Frontend) -> None:
        frontend.publish()
        frontend.publish()
        frontend.store.rollback("rec")
        frontend.hide()
        await frontend.following.catch_up()
        deployer = SessionDeployer(Deployer(store=frontend.store, places=Places(warehouse=tmp_path, roots=(Path("/"),))), frontend.following)
        text = "ALTER MODEL rec PROMOTE VERSION 2"
        plan = analyze(text, frontend.following.current())
        with pytest.raises(FlinkmsError, match="version 2") as caught:
            [event async for event in deployer.execute(plan)]
        assert caught.value.sqlstate == "55000"
        assert frontend.store.snapshot().by_alias("rec").version == 1
        frontend.show()
        assert [event async for event in deployer.execute(plan)], "it is tried once more when it is asked for"
        assert frontend.served().name == "v2"

    on_frontend(tmp_path, scenario)


@pytest.mark.parametrize("link", [False, True])
def test_what_a_row_names_outside_of_the_warehouse_is_neither_loaded_nor_written(tmp_path: Path, link: bool) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    frontend, other = Frontend(ours), Frontend(theirs)
    directory = Path(other.publish().path.text).parent
    stream = theirs / "streams" / "ev"
    Stream.create(stream, (StreamColumn(name="n", type=SqlType.BIGINT),))
    if link:
        for kind, path in (("models", directory), ("streams", stream)):
            (ours / kind).mkdir(parents=True)
            (ours / kind / "link").symlink_to(path)
        directory, stream = ours / "models" / "link", ours / "streams" / "link"
    record = other.store.snapshot().models["rec"]
    frontend.store.create_model(name="rec", algorithm="als", inputs=record.inputs, outputs=record.outputs,
                                options=record.options, training_query=None, definition="", recommends=True)
    begun = frontend.store.begin_version("rec", directory=str(directory), options={})
    frontend.store.publish_version(begun, TrainingOutcome(training_rows=1, duration_ms=1, code_hash="ab" * 32))
    frontend.store.create_table(name="ev", kind="stream", columns=(Column(name="n", type=SqlType.BIGINT),), options={},
                                definition="", path=str(stream))

    async def go() -> None:
        await frontend.following.catch_up()
        failed = await frontend.following.failure("rec")
        assert failed is not None and "is outside of" in failed.detail and failed.detail.endswith("(42501)")
        with pytest.raises(FlinkmsError) as raised:
            frontend.following.streams.writer("ev")
        assert raised.value.sqlstate == "42501"
        assert list((theirs / "streams" / "ev" / "log").iterdir()) == []

    asyncio.run(go())
