import pytest

from nst_lightning.errors import InputError, did_you_mean


def test_message_is_one_line():
    assert str(InputError("a\n  b\tc ")) == "a b c"
    assert str(InputError(3)) == "3"


def test_is_a_value_error():
    with pytest.raises(ValueError, match="x"):
        raise InputError("x")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("conv1_l", "; did you mean conv1_1?"),
        ("relu4-2", "; did you mean relu4_2?"),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_did_you_mean(name, hint):
    assert did_you_mean(name, ("conv1_1", "conv5_4", "relu4_2")) == hint


def test_did_you_mean_takes_any_iterable_and_any_key():
    assert did_you_mean("1O", iter([1, 10])) in ("; did you mean 1?", "; did you mean 10?")
    assert did_you_mean("a", {}) == ""
