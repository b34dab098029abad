import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import toy_model

from sgen_ray.errors import OutputError, PlanError
from sgen_ray.jobs.plan_file import plan_from_bytes, plan_to_bytes, read_plan, write_plan
from sgen_ray.types import Plan


def make_plan(**changes: object) -> Plan:
    request = toy_model.request(seconds=12, shots=3, seed=2**63 - 1, negative_prompt="grün, \u2028")
    plan = toy_model.ToyPlanner(toy_model.ToyFactory()).plan(request)
    return dataclasses.replace(plan, **changes)


def assert_same(one: Plan, other: Plan) -> None:
    for field in dataclasses.fields(Plan):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if isinstance(left, np.ndarray):
            assert left.dtype == right.dtype
            assert left.shape == right.shape
            assert left.tobytes() == right.tobytes()
        else:
            assert left == right
            assert type(left) is type(right)


def test_round_trip_is_exact_and_the_bytes_are_always_the_same(tmp_path: Path) -> None:
    plan = make_plan()
    plan.semantic[0, 0, 0, :3] = np.nan, -0.0, np.float32(1e-45)
    plan.text_mask[1, 3:] = False
    write_plan(plan, tmp_path / "plan.arrow")
    back = read_plan(tmp_path / "plan.arrow")
    assert_same(plan, back)
    assert back.semantic.flags.writeable
    assert plan_to_bytes(back) == (tmp_path / "plan.arrow").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["plan.arrow"]


@pytest.mark.parametrize("starts", [(0, 3, 4), (0, 4, 5), (0, 1, 23)])
def test_shots_shorter_than_a_semantic_step(starts: tuple[int, ...]) -> None:
    plan = make_plan(shot_starts=starts)
    assert_same(plan, plan_from_bytes(plan_to_bytes(plan)))


def test_plain_arrow_can_read_it(tmp_path: Path) -> None:
    plan = make_plan()
    write_plan(plan, tmp_path / "plan.arrow")
    table = pa.ipc.open_file(str(tmp_path / "plan.arrow")).read_all()
    assert table["step"].to_pylist() == list(range(12))
    assert table["seconds"].to_pylist() == [float(step) for step in range(12)]
    assert table["shot"].to_pylist() == [0] * 4 + [1] * 4 + [2] * 4
    assert table["prompt"].to_pylist()[4] == "shot 1"
    assert [text is not None for text in table["text"].to_pylist()] == ([True] + [False] * 3) * 3
    np.testing.assert_array_equal(np.float32(table["semantic"].to_pylist()).reshape(plan.semantic.shape), plan.semantic)


def test_every_truncation_is_one_clear_line() -> None:
    data = plan_to_bytes(make_plan())
    for length in [0, 1, 8, *range(16, len(data), len(data) // 40), len(data) - 1]:
        with pytest.raises(PlanError, match="plan") as caught:
            plan_from_bytes(data[:length])
        assert "\n" not in str(caught.value)


def test_no_flipped_byte_gets_through() -> None:
    plan = make_plan()
    data = plan_to_bytes(plan)
    refused = 0
    for place in range(8, len(data), 37):
        broken = bytearray(data)
        broken[place] ^= 0x55
        try:
            assert_same(plan, plan_from_bytes(bytes(broken)))  # padding, or columns that repeat what the head says
        except PlanError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused


def test_foreign_files(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a plan")
    with pytest.raises(PlanError, match="no Arrow file"):
        read_plan(text)
    with pytest.raises(PlanError, match="cannot read the plan"):
        read_plan(tmp_path / "missing.arrow")
    with pytest.raises(PlanError, match="cannot read the plan"):
        read_plan(tmp_path)
    other = pa.table({"step": [1, 2]})
    with pa.ipc.new_file(str(tmp_path / "other.arrow"), other.schema) as writer:
        writer.write_table(other)
    with pytest.raises(PlanError, match="no plan"):
        read_plan(tmp_path / "other.arrow")


def test_unwritable_place(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        write_plan(make_plan(), tmp_path / "nowhere" / "plan.arrow")
