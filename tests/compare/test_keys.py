"""What pictures are called."""

from helpers.comparing import MeanColour

from nst_lightning.compare.keys import baseline_keys


class Content(MeanColour):
    """Would be called as the content's own file is, to file systems without capitals."""


class meancolour(MeanColour):  # noqa: N801
    """The same name without capitals."""


def test_no_two_pictures_have_the_same_name() -> None:
    classes = [MeanColour, Content, MeanColour, meancolour]
    keys = baseline_keys([kind() for kind in classes])
    assert keys == ["MeanColour", "Content-2", "MeanColour-2", "meancolour-3"]
