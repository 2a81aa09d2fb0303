"""What each rank does of a step: together always the recipe's rows."""

import re

import pytest
from tandem_contract.errors import TandemError

from tandem.finetuning.share import Share, share


def recipe(batch: int, accumulation: int) -> dict[str, int]:
    return {"batch_size": batch, "gradient_accumulation": accumulation}


@pytest.mark.parametrize(
    ("batch", "accumulation", "world", "expected"),
    [
        (4, 4, 1, Share(4, 4)),
        (4, 4, 2, Share(4, 2)),
        (4, 4, 8, Share(2, 1)),
        (4, 4, 16, Share(1, 1)),
        # 30 rows: 15 a rank, of which 6 don't divide.
        (6, 5, 2, Share(5, 3)),
        # 7 rows a rank, a prime above the batch.
        (2, 7, 2, Share(1, 7)),
        (1, 6, 3, Share(1, 2)),
    ],
)
def test_ranks_share_a_step(batch, accumulation, world, expected):
    assert share(recipe(batch, accumulation), world) == expected


def test_no_rank_holds_more_than_one_alone_and_all_do_the_step():
    for batch in range(1, 13):
        for accumulation in range(1, 13):
            for world in range(1, 17):
                if batch * accumulation % world:
                    continue
                rows, times = share(recipe(batch, accumulation), world)
                assert rows * times * world == batch * accumulation
                assert rows <= batch


@pytest.mark.faults
@pytest.mark.parametrize(
    ("batch", "accumulation", "world", "near"),
    [(4, 4, 3, "3 or 6"), (4, 1, 8, "2"), (6, 3, 4, "2 or 4"), (1, 1, 16, "16"), (4, 5, 6, "3 or 6")],
)
def test_a_step_that_ranks_do_not_divide_is_refused_with_what_would_do(batch, accumulation, world, near):
    words = f"{batch} x {accumulation} = .* {world} ranks.* gradient_accumulation to {near},"
    with pytest.raises(TandemError, match=words) as caught:
        share(recipe(batch, accumulation), world)
    found = re.search(r"to (.*), any multiple of (\d+)", str(caught.value))
    assert found
    for number in [*found[1].split(" or "), found[2]]:
        share(recipe(batch, int(number)), world)
