"""Training: each stage learns, slices equal one go, and state survives being cut off."""

import itertools
import json
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from micro import micro, micro_model
from safetensors.torch import load_file
from torch import nn

from sgen_ray import world
from sgen_ray.errors import ModelError, OutputError, RequestError
from sgen_ray.models.conditioning import Conditioning
from sgen_ray.models.dit import PlannerDiT
from sgen_ray.models.folder import fingerprint
from sgen_ray.models.parts import load_part
from sgen_ray.training.data import seeds
from sgen_ray.training.details import EARLIEST, LATEST, PALE, DetailsStage
from sgen_ray.training.loop import Trainer
from sgen_ray.training.muon import orthogonal
from sgen_ray.training.pack import provenance
from sgen_ray.training.planner import DRAWS, told, told_film
from sgen_ray.training.recipes import RECIPES
from sgen_ray.training.replay import Drawers, Items, Replay
from sgen_ray.training.run import STAGES, begin, warm
from sgen_ray.training.schedule import Schedule
from sgen_ray.training.state import SHARD_BYTES, load_state, save_state


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def quick_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sgen_ray.training.autoencoder.FIT_BATCHES", 1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return micro_model(tmp_path_factory.mktemp("run"))


def trainer(name: str, model: Path, folder: Path, schedule: Schedule | None = None) -> Trainer:
    recipe = micro()
    if name == "renderer":  # the compressor trains along in steps 1 and 2, then is frozen
        recipe = replace(recipe, joint_start=1, joint_steps=2)
    torch.manual_seed(0)
    stage = STAGES[name](recipe, model, "cpu")
    return Trainer(stage, schedule or recipe.schedules[name], folder)


BOUNDS = {"encoder": 0.75, "autoencoder": 0.75, "renderer": 0.8, "planner": 0.85}
"""Loss after the steps below on one batch, of the loss before."""
STEPS = {"encoder": 60, "autoencoder": 120, "renderer": 60, "planner": 60}


@pytest.mark.parametrize("name", list(BOUNDS))
def test_each_stage_learns_a_batch(name: str, model: Path, tmp_path: Path) -> None:
    run = trainer(name, model, tmp_path, Schedule(steps=1000, batch=4, learning_rate=5e-3, warmup=5))
    run.stage.prepare()
    batch = run.stage.draw(0, 4)
    run.replay._block = lambda index, size: batch  # type: ignore[method-assign]
    losses = [run.train_step()["loss"] for _ in range(STEPS[name])]
    assert sum(losses[-10:]) < BOUNDS[name] * sum(losses[:10])


@pytest.mark.parametrize("name", list(STAGES))
def test_a_resumed_run_equals_one_in_one_go(name: str, model: Path, tmp_path: Path) -> None:
    whole = trainer(name, model, tmp_path / "whole")
    assert not whole.resume()
    whole.run(1e6)
    first = trainer(name, model, tmp_path / "cut")
    first.resume()
    for _ in range(3):
        first.train_step()
    first.save()
    second = trainer(name, model, tmp_path / "cut")
    assert second.resume() and second.step == 3
    second.run(1e6)
    one, other = load_state(tmp_path / "whole" / "state"), load_state(tmp_path / "cut" / "state")
    assert one is not None and other is not None
    assert one[1]["step"] == other[1]["step"] == 6
    assert one[0].keys() == other[0].keys()
    for key, value in one[0].items():
        assert torch.equal(value, other[0][key]), key


def test_a_pupil_learns_to_do_without_guidance(model: Path, tmp_path: Path) -> None:
    run = trainer("distil", model, tmp_path, Schedule(steps=110, batch=4, learning_rate=2e-3, warmup=5, ema=0.9))
    run.resume()
    teacher = {name: value.clone() for name, value in run.stage.trained["teacher"].state_dict().items()}
    with torch.no_grad():
        before = run.stage.evaluate()
    batch = run.stage.draw(0, 4)
    run.replay._block = lambda index, size: batch  # type: ignore[method-assign]
    run.run(1e6)
    after = run.finish(tmp_path / "pupil")
    assert after["loss_none"] < 0.7 * before["loss_none"] and after["loss_prefix"] < 0.7 * before["loss_prefix"]
    assert after["loss_subject"] < 0.7 * before["loss_subject"]
    for name, value in run.stage.trained["teacher"].state_dict().items():
        assert torch.equal(value, teacher[name]), name
    pupil = load_part(tmp_path / "pupil", "renderer")
    assert pupil.config.plan_guidance == 1.0 and not pupil.config.change_guidance
    shutil.copytree(model, tmp_path / "taught")
    shutil.rmtree(tmp_path / "taught" / "renderer")
    shutil.copytree(tmp_path / "pupil" / "renderer", tmp_path / "taught" / "renderer")
    with pytest.raises(RequestError, match="nothing to distil"):
        trainer("distil", tmp_path / "taught", tmp_path / "again").resume()


def test_a_renderer_goes_on_late_and_stays_what_it_was_early(model: Path, tmp_path: Path) -> None:
    run = trainer("details", model, tmp_path, Schedule(steps=80, batch=4, learning_rate=5e-3, warmup=5, ema=0.9))
    run.resume()
    stage = run.stage
    assert isinstance(stage, DetailsStage)
    times = stage.draw_times(10, torch.Generator().manual_seed(0))
    assert times[:7].gt(LATEST).all() and times[:7].lt(EARLIEST).all() and times[7:].gt(EARLIEST).all()
    batch = stage.draw(0, 4)
    run.replay._block = lambda index, size: batch  # type: ignore[method-assign]

    def error(share: float, taught: bool = True) -> float:
        with pytest.MonkeyPatch.context() as patch, torch.no_grad():
            patch.setattr("sgen_ray.training.details.LATE_SHARE", share)
            if not taught:
                patch.setattr(stage, "target", lambda c: None)
            return stage.loss(dict(batch), torch.Generator().manual_seed(3), 0)[0].item()

    late, from_the_world = error(1.0), error(0.0, taught=False)
    assert error(0.0) == 0
    run.run(1e6)
    assert error(1.0) < 0.85 * late
    assert error(0.0) < 0.5 * from_the_world


def test_pale_clips_count_more(model: Path) -> None:
    stage = STAGES["details"](micro(), model, "cpu")
    assert isinstance(stage, DetailsStage)
    items = stage.draw(0, 2)
    items["latents"] = torch.cat([items["latents"][:1], items["latents"][:1] * 0.5])
    rich, pale = stage.importance(items).tolist()
    assert pale == pytest.approx(min(2 * rich, PALE))


def test_a_planner_need_not_read_the_texts_of_shots_that_a_crop_leaves_out() -> None:
    generator = torch.Generator().manual_seed(0)
    planner = PlannerDiT(**micro().planner)
    for p in planner.parameters():
        nn.init.normal_(p, std=0.2, generator=generator)
    shot = torch.tensor([[0, 0, 1], [1, 2, 2], [3, 3, 3]])
    words = torch.tensor([[5, 9, 1, 1], [20, 3, 7, 30], [30, 30, 30, 10]])
    text, mask = torch.randn(3, 4, 32, 16, generator=generator), torch.arange(32) < words[..., None]
    crop, few, short = told(shot, text, mask)
    assert crop.tolist() == [[0, 0, 1], [0, 1, 1], [0, 0, 0]]
    assert few.shape == (3, 2, 16, 16)  # two shots at most, of 10 words, which makes 16
    z = torch.randn(3, 4, 3, 1, 2, generator=generator)
    t = torch.rand(3, 3, generator=generator)
    with torch.no_grad():
        whole, trimmed = planner(z, t, Conditioning(text, mask, shot)), planner(z, t, Conditioning(few, short, crop))
    torch.testing.assert_close(trimmed, whole)
    assert not torch.allclose(whole, planner(z, t, Conditioning(-few, short, crop)))


def test_a_planner_reads_more_of_cameras_than_captions_say_but_held_out_films_are_as_they_come() -> None:
    def mentions(film: world.Film, seed: int, split: str) -> int:
        return sum("camera" in said for _, said in world.captions_with_mentions(film, seed, split))

    for seed in range(40):
        film, texts = told_film(seed, 60, 1 + seed % 8, "train")
        choices = [(world.sample_film(own, 60, 1 + seed % 8, "train"), own) for own in seeds(seed, DRAWS)]
        most, own = max((mentions(choice, own, "train"), own) for choice, own in choices if choice == film)
        assert most == max(mentions(*choice, "train") for choice in choices)
        assert texts == world.captions(film, own, "train")
        plain = world.sample_film(seed, 60, 2, "heldout")
        assert told_film(seed, 60, 2, "heldout") == (plain, world.captions(plain, seed, "heldout"))


def test_a_crop_is_told_how_long_shots_last_in_the_film(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = STAGES["planner"](micro(), model, "cpu")
    items, told_to = stage.draw(0, 2), []
    given = PlannerDiT.given
    monkeypatch.setattr(PlannerDiT, "given", lambda self, c: told_to.append(c) or given(self, c))
    items["shot"] = (torch.arange(stage.steps) >= 2).long().expand(2, -1)  # shots of two steps and of all the others
    for seed in range(12):
        stage.loss(items, torch.Generator().manual_seed(seed), 0)
    assert {c.shot.shape[1] for c in told_to} - {stage.steps}
    assert {int(n) for c in told_to for n in c.shot_clock.sum(-1).unique()} == {1, stage.steps - 3}


def test_the_compressor_trains_along_and_is_then_frozen(model: Path, tmp_path: Path) -> None:
    run = trainer("renderer", model, tmp_path)
    run.resume()

    def weights() -> dict[str, torch.Tensor]:
        state = run.stage.trained.state_dict()
        return {name: value.clone() for name, value in state.items() if name.startswith("compressor.mlp")}

    seen = [weights()]
    for _ in range(6):
        run.train_step()
        seen.append(weights())
    moved = [any(not torch.equal(a[k], b[k]) for k in a) for a, b in itertools.pairwise(seen)]
    assert moved == [False, True, True, False, False, False]
    for name, value in run.stage.trained["compressor"].state_dict().items():
        assert torch.equal(run.ema[f"compressor.{name}"], value), name  # frozen: what is exported is what was used


def test_finish_exports_averages_and_leaves_the_live_weights(model: Path, tmp_path: Path) -> None:
    run = trainer("planner", model, tmp_path / "planner")
    run.resume()
    for _ in range(3):
        run.train_step()
    live = {name: value.clone() for name, value in run.stage.trained.state_dict().items()}
    figures = run.finish(tmp_path / "model")
    assert all(torch.equal(value, live[name]) for name, value in run.stage.trained.state_dict().items())
    exported = load_file(tmp_path / "model" / "planner" / "diffusion_pytorch_model.safetensors")
    assert all(torch.equal(value, run.ema[f"planner.{name}"]) for name, value in exported.items())
    assert {"loss_none", "loss_prefix", "loss_null_text"} <= figures.keys()
    assert (tmp_path / "planner" / "sheet-000003.png").exists()
    assert len((tmp_path / "planner" / "evaluation.jsonl").read_text().splitlines()) == 1


class Counting:
    """The smallest stage: one number, to be lowered."""

    name = "counting"

    def __init__(self) -> None:
        self.trained = nn.ModuleDict({"net": nn.Linear(1, 1)})

    def prepare(self) -> None: ...

    def sketch(self, seed: int, count: int) -> Items:
        return {"seed": torch.full((count,), seed)}

    def encode(self, items: Items) -> Items:
        return items

    def loss(self, items: Items, generator: torch.Generator, step: int) -> tuple[torch.Tensor, dict[str, float]]:
        return self.trained["net"](torch.ones(1, 1)).square().sum(), {"oldest": float(items["seed"].min())}

    def averaged(self, step: int) -> None: ...

    def evaluate(self) -> dict[str, float]:
        return {}

    def sheet(self, path: Path) -> None: ...

    def export(self, folder: Path) -> None: ...


def test_ctrl_c_ends_the_step_and_saves(tmp_path: Path) -> None:
    run = Trainer(Counting(), Schedule(steps=100, batch=1), tmp_path)
    run.resume()
    handler = signal.getsignal(signal.SIGINT)

    def press(step: int, steps: int, figures: dict[str, float]) -> None:
        if step == 4:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run.run(1e6, press)
    found = load_state(tmp_path / "state")
    assert found is not None and found[1]["step"] == 4
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_run_goes_on_from_a_models_weights(model: Path, tmp_path: Path) -> None:
    begin(tmp_path / "run", model)
    run = trainer("planner", tmp_path / "run" / "model", tmp_path / "run" / "planner")
    assert not run.resume()
    warm(run, tmp_path / "run" / "model")
    shipped = load_part(model, "planner").state_dict()
    assert all(torch.equal(run.stage.trained["planner"].state_dict()[k], v) for k, v in shipped.items())
    assert all(torch.equal(run.ema[f"planner.{k}"], v) for k, v in shipped.items())
    run.run(60)
    run.finish(tmp_path / "run" / "model")
    origin = json.loads((model / "sgen.json").read_text()).get("provenance", {})
    found = provenance(tmp_path / "run")
    assert found["started_from"] == fingerprint(model)
    assert found["stages"].keys() == {*origin.get("stages", {}), "planner"}
    assert found["stages"]["planner"]["steps"] == run.schedule.steps


def test_what_a_stage_went_on_from_stays_in_its_record(tmp_path: Path) -> None:
    older, old = {"steps": 5}, {"steps": 7, "before": [{"steps": 5}]}
    record = {"fingerprint": "f", "provenance": {"stages": {"planner": old, "encoder": older}}}
    (tmp_path / "started_from.json").write_text(json.dumps(record))
    save_state(tmp_path / "planner" / "state", {}, {"seed": 0, "step": 9, "seconds": 1.0})
    stages = provenance(tmp_path)["stages"]
    assert stages["encoder"] == older
    assert stages["planner"]["steps"] == 9
    assert stages["planner"]["before"] == [{"steps": 7}, {"steps": 5}]


def test_a_folder_with_a_run_of_its_own_is_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(OutputError, match="give a new --folder"):
        begin(tmp_path, model)


def test_weights_that_do_not_fit_are_named_in_one_line(model: Path, tmp_path: Path) -> None:
    begin(tmp_path / "run", model)
    wider = replace(micro(), planner={**micro().planner, "ffn_dim": 36})
    run = Trainer(STAGES["planner"](wider, model, "cpu"), wider.schedules["planner"], tmp_path / "run" / "planner")
    with pytest.raises(ModelError, match=r"the planner of the model in .*ffn.* is \(24, 24\), not \(36, 24\)"):
        warm(run, tmp_path / "run" / "model")
    other = trainer("planner", model, tmp_path / "other")
    other.save()
    (tmp_path / "other" / "state").rename(tmp_path / "run" / "planner" / "state")
    with pytest.raises(ModelError, match="begin in a new --folder"):
        run.resume()


def test_a_renderer_from_before_the_null_text_was_kept_goes_on(model: Path, tmp_path: Path) -> None:
    before = replace(micro(), renderer={**micro().renderer, "null_tokens": 0})
    older = STAGES["renderer"](before, model, "cpu")
    older.export(tmp_path / "model")
    run = trainer("renderer", model, tmp_path / "renderer")
    null = run.stage.trained["renderer"].null_text.clone()
    warm(run, tmp_path / "model")
    now = run.stage.trained["renderer"].state_dict()
    assert null.abs().sum() > 0 and torch.equal(now["null_text"], null)
    assert all(torch.equal(now[name], value) for name, value in older.trained["renderer"].state_dict().items())


def test_another_batch_size_is_refused(tmp_path: Path) -> None:
    Trainer(Counting(), Schedule(steps=1, batch=1), tmp_path).save()
    with pytest.raises(RequestError, match="another batch size"):
        Trainer(Counting(), Schedule(steps=1, batch=2), tmp_path).resume()


def test_replay_is_a_function_of_the_step() -> None:
    schedule = Schedule(steps=1, batch=6, replay=8, fresh=2)
    going, seen = Replay(Counting(), schedule, 3), {}
    for step in range(12):
        seen[step] = going.batch(step, torch.Generator().manual_seed(step))["seed"]
    for step in (0, 3, 4, 11):
        fresh = Replay(Counting(), schedule, 3)
        assert torch.equal(fresh.batch(step, torch.Generator().manual_seed(step))["seed"], seen[step])
    for step in range(1, 12):
        assert seen[step][0] == seen[step][1] and seen[step][0] not in seen[step - 1]  # the newest are always in


def test_items_drawn_ahead_and_in_blocks_are_a_function_of_the_step_too() -> None:
    schedule = Schedule(steps=1, batch=4, replay=16, fresh=1, ahead=6, block=4)
    going, seen = Replay(Counting(), schedule, 3), {}
    for step in range(14):
        seen[step] = going.batch(step, torch.Generator().manual_seed(step))["seed"]
        # 6 ahead and one a step, in whole blocks.
        assert going.drawn == -(-(6 + step + 1) // 4) * 4
    for step in (0, 5, 13):
        fresh = Replay(Counting(), schedule, 3)
        assert torch.equal(fresh.batch(step, torch.Generator().manual_seed(step))["seed"], seen[step])


def test_what_other_processes_draw_is_the_same() -> None:
    schedule = Schedule(steps=1, batch=4, replay=16, fresh=1, ahead=6, block=4)
    alone, helped = Replay(Counting(), schedule, 3), Replay(Counting(), schedule, 3, drawers=Drawers(Counting, 2))
    for step in (0, 1, 9, 40):
        batches = [r.batch(step, torch.Generator().manual_seed(step))["seed"] for r in (alone, helped)]
        assert torch.equal(*batches)


def test_rate_warms_up_holds_and_falls() -> None:
    schedule = Schedule(steps=1000, batch=1, warmup=50, decay=0.2)
    assert schedule.factor(0) == pytest.approx(0.02)
    assert schedule.factor(49) == schedule.factor(500) == schedule.factor(800) == 1
    assert schedule.factor(900) == pytest.approx(0.5)
    assert schedule.factor(999) == pytest.approx(0.005)


def test_orthogonal_makes_singular_values_near_one() -> None:
    for shape in ((12, 30), (30, 12), (16, 16)):
        matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        values = torch.linalg.svdvals(orthogonal(matrix))
        assert values.max() < 1.3 and values.median() > 0.6
    u, _, v = torch.linalg.svd(matrix)
    assert torch.nn.functional.cosine_similarity((u @ v).flatten(), orthogonal(matrix).flatten(), 0) > 0.95


def big_state() -> dict[str, torch.Tensor]:
    return {f"w{i}": torch.full((2**20,), float(i)) for i in range(9)}  # 9 x 4 MiB


def test_state_lies_in_small_shards(tmp_path: Path) -> None:
    save_state(tmp_path / "state", big_state(), {"step": 3})
    sizes = [path.stat().st_size for path in (tmp_path / "state").glob("*.safetensors")]
    assert len(sizes) == 3 and max(sizes) <= SHARD_BYTES + 2**20 <= 16 * 2**20
    found = load_state(tmp_path / "state")
    assert found is not None and found[1] == {"step": 3}
    assert all(torch.equal(found[0][name], value) for name, value in big_state().items())


def test_a_swap_cut_half_way_is_recovered(tmp_path: Path) -> None:
    state, new, old = (tmp_path / f"state{end}" for end in ("", ".new", ".old"))
    assert load_state(state) is None

    def step() -> int:
        found = load_state(state)
        assert found is not None
        assert torch.equal(found[0]["w"], torch.full((3,), float(found[1]["step"])))
        return found[1]["step"]

    def save(folder: Path, step: int) -> None:
        save_state(folder, {"w": torch.full((3,), float(step))}, {"step": step})

    save(state, 1)
    save(tmp_path / "other", 2)
    (tmp_path / "other").rename(new)
    (new / "state.json").unlink()  # cut while the new state was being written
    assert step() == 1
    save(state, 3)
    assert step() == 3 and not new.exists()
    state.rename(old)  # cut between the two renames: the new state lies complete beside the old
    save(tmp_path / "other", 4)
    (tmp_path / "other").rename(new)
    assert step() == 4
    save(state, 5)
    assert step() == 5 and not old.exists()
    state.rename(old)
    assert step() == 5


@pytest.mark.parametrize("name", list(RECIPES))
def test_shipped_recipes_fit_together(name: str) -> None:
    recipe = RECIPES[name]()
    grid = recipe.grid
    assert recipe.clip % grid.unit == 0
    assert recipe.renderer["semantic_channels"] == grid.semantic_channels == recipe.planner["in_channels"]
    assert recipe.semantic_encoder["feature_channels"] == recipe.compressor["feature_channels"]
    seen = grid.coarse
    assert (grid.semantic_height, grid.semantic_width) == (seen.height // 32, seen.width // 32)
    for schedule in recipe.schedules.values():
        assert not schedule.replay or schedule.replay % (schedule.block or schedule.fresh) == 0
