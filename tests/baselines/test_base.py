import subprocess
import sys

import pytest
import torch

from nst_lightning.baselines import Baseline
from nst_lightning.baselines.base import central_square, require_packages
from nst_lightning.errors import InputError


class Negative(Baseline):
    """No __init__ of its own, as in the documentation."""

    name = "negative"

    def stylize(self, content, style):
        return 1 - content


class Returns(Baseline):
    def __init__(self, picture):
        # Without super().__init__(), as people do.
        self.picture = picture
        self.loads = 0

    def load(self):
        self.loads += 1

    def stylize(self, content, style):
        self.seen = content, style
        return self.picture


def test_a_model_of_ones_own(content, style):
    assert torch.equal(Negative()(content, style), 1 - content)
    assert Negative().label == "negative"
    assert Returns(None).label == "Returns"


def test_the_picture_gets_the_contents_size_and_range(content, style):
    picture = torch.full((1, 3, 20, 20), 1.5)
    picture[:, 1] = -0.5
    result = Returns(picture)(content, style)
    assert result.shape == content.shape
    assert result[:, 0].min() > 1 - 1e-6
    assert result.max() <= 1
    assert result[:, 1].max() < 1e-6
    assert result.min() >= 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_the_model_sees_float32_and_the_caller_gets_back_what_it_gave(content, style, dtype):
    stylizer = Returns(torch.rand(1, 3, 45, 70))
    assert stylizer(content.to(dtype), style.double()).dtype == dtype
    assert [image.dtype for image in stylizer.seen] == [torch.float32, torch.float32]


def test_the_model_is_loaded_once(content, style):
    stylizer = Returns(content)
    stylizer.ensure_loaded()
    stylizer(content, style)
    stylizer(content, style)
    assert stylizer.loads == 1


def test_the_result_is_never_the_content_itself(content, style):
    result = Returns(content)(content, style)
    result.zero_()
    assert content.max() > 0


def test_no_graph_is_built(content, style):
    assert not Negative()(content.requires_grad_(), style).requires_grad


def test_nan_is_refused(content, style):
    with pytest.raises(InputError, match="Returns returned a picture with NaN"):
        Returns(content * float("nan"))(content, style)


@pytest.mark.parametrize("shape", [(3, 9, 9), (2, 3, 9, 9), (1, 1, 9, 9), (1, 3, 0, 9)])
def test_other_shapes_are_refused(content, style, shape):
    wrong = torch.zeros(shape)
    with pytest.raises(ValueError, match="content must have the shape"):
        Negative()(wrong, style)
    with pytest.raises(ValueError, match="style must have the shape"):
        Negative()(content, wrong)


def test_a_wrong_result_is_refused(content, style):
    with pytest.raises(ValueError, match=r"returned the shape \(1, 45, 70, 3\)"):
        Returns(content.permute(0, 2, 3, 1))(content, style)


def test_bytes_are_refused(content, style):
    with pytest.raises(TypeError, match="uint8"):
        Negative()((content * 255).byte(), style)


def test_central_square_takes_the_middle():
    style = torch.zeros(1, 3, 10, 30)
    style[..., 10:20] = 1
    assert central_square(style, 10).min() == 1
    assert central_square(style.mT, 10).min() == 1
    assert central_square(style, 256).shape == (1, 3, 256, 256)


def test_missing_packages_are_named_with_the_way_to_get_them():
    with pytest.raises(InputError) as error:
        require_packages("Painter", "fast", "torch", "not_there", "nor_this")
    message = str(error.value)
    assert "not_there and nor_this" in message
    assert "--extra fast" in message
    assert "torch," not in message
    require_packages("Painter", "fast", "torch")


def test_importing_the_package_loads_nothing():
    code = (
        "import sys, nst_lightning.baselines as f; assert 'OnnxStylizer' in dir(f);"
        "f.Baseline; f.OnnxStylizer; f.TensorFlowHubStylizer;"
        "heavy = {'torch', 'tensorflow', 'onnxruntime', 'torchvision', 'lightning', 'numpy'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_an_attribute_error():
    import nst_lightning.baselines

    with pytest.raises(AttributeError, match="Magic"):
        _ = nst_lightning.baselines.Magic


def test_yaml_names_a_class_of_ones_own(tmp_path, monkeypatch, content, style):
    from jsonargparse import ArgumentParser

    (tmp_path / "my_painter.py").write_text(
        "from nst_lightning.baselines import Baseline\n"
        "class Tint(Baseline):\n"
        "    def __init__(self, strength: float = 0.5):\n"
        "        self.strength = strength\n"
        "    def stylize(self, content, style):\n"
        "        mean = style.mean(dim=(2, 3), keepdim=True)\n"
        "        return content + self.strength * (mean - content)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--baselines", type=list[Baseline])
    config = parser.parse_object(
        {"baselines": [{"class_path": "my_painter.Tint", "init_args": {"strength": 1.0}}]}
    )
    (tint,) = parser.instantiate_classes(config).baselines
    mean = style.mean(dim=(2, 3), keepdim=True).expand_as(content)
    torch.testing.assert_close(tint(content, style), mean)
