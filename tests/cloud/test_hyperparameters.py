"""What a job's hyper-parameters carry, and what needs a file."""

import json

from nst_lightning.cloud.hyperparameters import MAXIMUM_COUNT, MAXIMUM_LENGTH, split_for_job


def test_what_no_hyperparameter_can_hold_goes_into_a_file() -> None:
    settings = {"long": "x" * (MAXIMUM_LENGTH + 1), "short": 1}
    fitting, rest = split_for_job(settings)
    assert fitting == {"short": 1}
    assert rest == {"long": settings["long"]}
    many = {f"k{n}": n for n in range(150)}
    fitting, rest = split_for_job(many)
    assert len(fitting) < MAXIMUM_COUNT
    assert fitting | rest == many
    assert all(len(json.dumps(value)) <= MAXIMUM_LENGTH for value in fitting.values())
