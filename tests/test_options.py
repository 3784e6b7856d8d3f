"""Settings as mappings, as files found by name, and as words; without torch and Lightning."""

import json
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import yaml

from nst_lightning.errors import InputError
from nst_lightning.options import (
    differing,
    digest,
    find_config,
    find_configs,
    flatten,
    lay_over,
    load_yaml,
    lookup,
    read_yaml,
    refuse_reserved,
    take_settings,
    to_words,
)

# -- finding a config --


@pytest.fixture
def configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with configs of its own."""
    folder = tmp_path / "configs"
    for sub in ("", "recipes", "overlays"):
        (folder / sub).mkdir(exist_ok=True)
    for name in ("mine.yaml", "recipes/theirs.yaml", "overlays/over.yaml"):
        (folder / name).write_text("data: {size: 64}\n")
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("mine.yaml", "configs/mine.yaml"),
        ("mine", "configs/mine.yaml"),
        ("configs/mine.yaml", "configs/mine.yaml"),
        ("theirs.yaml", "configs/recipes/theirs.yaml"),
        ("theirs", "configs/recipes/theirs.yaml"),
        ("recipes/theirs.yaml", "configs/recipes/theirs.yaml"),
        ("recipes/theirs", "configs/recipes/theirs.yaml"),
        ("overlays/over.yaml", "configs/overlays/over.yaml"),
        ("over", "configs/overlays/over.yaml"),
    ],
)
def test_a_config_by_its_name(configs: Path, name: str, found: str) -> None:
    assert Path(find_config(name)) == Path(found)


def test_a_path_comes_before_a_name(configs: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("data: {size: 32}\n")
    assert find_config("mine.yaml") == "mine.yaml"


def test_the_packages_own_configs_are_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = Path(find_config("klimt.yaml"))
    assert found.is_file()
    assert found.parent.name == "configs"


def test_an_unknown_config(configs: Path) -> None:
    with pytest.raises(
        InputError, match=r"--config: there is no file minne\.yaml; did you mean mi"
    ):
        find_config("minne.yaml")
    with pytest.raises(InputError, match=r"\(in configs/: .*mine, .*over.*\)"):
        find_config("zzzzzz")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"data: [1,\n", "bad.yaml, line 2 is not YAML"),
        (b"data:\n\t- 1\n", "bad.yaml, line 2 is not YAML"),
        (b"\xff\xfe\x00", "bad.yaml: it is in UTF-16; save it as UTF-8"),
        (b"\xfa\x00", "bad.yaml is not YAML|bad.yaml, line"),
        (b"? [a]\n: 1\n", "bad.yaml, line 1 is not YAML: a key must be a word"),
        (b"data: &x\n  a: *x\n", "bad.yaml: it holds itself .line 1."),
        (b"[" * 3000, "bad.yaml, line 1 is not YAML"),
        (b"[" * 900 + b"]" * 900, "bad.yaml: it is nested too deeply"),
        (b"a: " + b"[" * 200 + b"]" * 200, "bad.yaml: it is nested too deeply"),
        (b"just words\n", "bad.yaml holds no settings"),
        (b"- 1\n- 2\n", "bad.yaml holds no settings"),
        (b"", "bad.yaml holds no settings"),
    ],
)
def test_a_file_that_is_no_config(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    for read in (lambda: read_yaml(path), lambda: find_configs(["--config", str(path)])):
        with pytest.raises(InputError, match=words) as caught:
            read()
        assert str(caught.value).startswith("--config: ")
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=f"^--launch: .*({words})"):
        read_yaml(path, "--launch")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.yaml is not YAML: No such file") as caught:
        read_yaml(tmp_path / "nowhere.yaml")
    assert "\n" not in str(caught.value)


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text("data: {style: [Bäume.png, b.png]}\nmodel.style.weight: 1.0e+5\n", "utf-8")
    assert read_yaml(path) == {"data": {"style": ["Bäume.png", "b.png"]}, "model.style.weight": 1e5}


def test_every_config_of_a_command_line_is_found(configs: Path) -> None:
    args = ["fit", "--config", "mine", "-c", "theirs", "--config=over", "--data.size", "3"]
    assert find_configs(args) == [
        "fit",
        "--config",
        "configs/mine.yaml",
        "-c",
        "configs/recipes/theirs.yaml",
        "--config=configs/overlays/over.yaml",
        "--data.size",
        "3",
    ]
    assert args[2] == "mine"  # the list given is not changed
    assert find_configs(["--config"]) == ["--config"]
    for words in (["--config", "s3://bucket/a.yaml"], ["--config=http://10.255.255.1/a.yaml"]):
        with pytest.raises(InputError, match="is an address; download it"):
            find_configs(words)


# -- mappings --

GRAM = {"class_path": "nst_lightning.losses.GramLoss", "init_args": {"weight": 3.0}}


@pytest.mark.parametrize(
    ("settings", "flat"),
    [
        ({}, {}),
        ({"data": {"size": 64, "init": "grey"}}, {"data.size": 64, "data.init": "grey"}),
        (
            {"data.size": 64, "trainer": {"max_epochs": 2}},
            {"data.size": 64, "trainer.max_epochs": 2},
        ),
        ({"a": {"b.c": {"d": 1}}}, {"a.b.c.d": 1}),
        # What is empty or no mapping is a value of its own.
        ({"data": {}, "model": None}, {"data": {}, "model": None}),
        ({"data": {"style": ["a", "b"]}}, {"data.style": ["a", "b"]}),
        # What names a class stays whole, so that its arguments go with it.
        ({"model": {"style": GRAM, "tv": None}}, {"model.style": GRAM, "model.tv": None}),
        # Without the class, the arguments are settings of their own.
        ({"model": {"style": {"init_args": {"weight": 1}}}}, {"model.style.init_args.weight": 1}),
        # The extra terms are a dictionary of terms, which has no names that are known beforehand.
        ({"model": {"extra": {"x": GRAM}}}, {"model.extra": {"x": GRAM}}),
        ({"model.extra": {"x": {"init_args": {"weight": 1}}}},) * 2,
        ({"model": {"extra.x.weight": 1}}, {"model.extra.x.weight": 1}),
        (OrderedDict(data=OrderedDict(size=1)), {"data.size": 1}),
    ],
)
def test_flatten(settings: dict[str, Any], flat: dict[str, Any]) -> None:
    before = repr(settings)
    assert flatten(settings) == flat
    assert flatten(flat) == flat
    assert repr(settings) == before


def test_flatten_keeps_the_order() -> None:
    assert list(flatten({"b": {"z": 1, "a": 2}, "a": 3})) == ["b.z", "b.a", "a"]


def test_lay_over_sets_and_keeps() -> None:
    layers = [
        {"data": {"size": 64, "init": "grey"}, "model.tv": None},
        {"data.size": 32, "model": {"style": {"weight": 2}}},
        {"model.style.weight": 3},
    ]
    before = json.dumps(layers)
    assert lay_over(*layers) == {
        "data.init": "grey",
        "model.tv": None,
        "data.size": 32,
        "model.style.weight": 3,
    }
    assert json.dumps(layers) == before
    assert lay_over() == {}


def test_lay_over_applies_what_is_given_again_at_its_last_place() -> None:
    # A class must be chosen before its arguments are: an argument that is given again after
    # another class belongs to that class.
    settings = lay_over(
        {"model.optimizer.lr": 1, "data.size": 3},
        {"model.optimizer": "torch.optim.Adam", "model.optimizer.lr": 1},
    )
    assert list(settings) == ["data.size", "model.optimizer", "model.optimizer.lr"]


@pytest.mark.parametrize(
    ("settings", "name", "value"),
    [
        ({"data": {"size": 64}}, "data.size", 64),
        ({"data.size": 64}, "data.size", 64),
        ({"data": {"size": 64}}, "data", {"size": 64}),
        ({"model": {"style": GRAM}}, "model.style.weight", 3.0),
        ({"model": {"style": GRAM}}, "model.style.init_args.weight", 3.0),
        ({"model": {"style": GRAM}}, "model.style.eps", None),
        ({"model.style": GRAM}, "model.style.class_path", None),
        ({"data": {"size": None}}, "data.size", None),
        ({"data": 3}, "data.size", None),
        ({"data": {"style": ["a"]}}, "data.style.0", None),
        ({}, "data.size", None),
    ],
)
def test_lookup(settings: dict[str, Any], name: str, value: Any) -> None:
    assert lookup(settings, name) == value


def test_differing() -> None:
    then = {
        "seed_everything": 0,
        "model": {"style": {"init_args": {"weight": 1.0, "layers": ["a", "b"]}}, "tv": None},
        "data": {"size": 64, "style": ["x", "y"]},
    }
    now = {
        "seed_everything": 0,
        "model": {"style": {"init_args": {"weight": 2.0, "layers": ["a", "b"]}}, "tv": {"w": 1}},
        "data": {"size": 64, "style": "x", "new": 1},
        "trainer": {},
    }
    assert list(differing(now, then)) == [
        ("model.style.weight", 2.0, 1.0),
        ("model.tv", {"w": 1}, None),
        ("data.style", "x", ["x", "y"]),
    ]
    assert list(differing(then, then)) == []
    assert list(differing({}, {"a": {"b": 1}})) == [("a", None, {"b": 1})]


def test_digest() -> None:
    known = digest({"b": [1, 2.5, None], "a": "é"})
    assert len(known) == 64
    assert set(known) <= set("0123456789abcdef")
    assert digest({"a": "é", "b": [1, 2.5, None]}) == known  # the order of keys says nothing
    assert digest({"a": "é", "b": [2.5, 1, None]}) != known  # that of a list does
    assert digest({"a": "e", "b": [1, 2.5, None]}) != known
    assert digest({"path": Path("a/b")}) == digest({"path": "a/b"})
    assert digest("1") != digest(1)


# -- words --


def test_to_words() -> None:
    settings = {
        "data.style": ["a b.png", "ü.png"],
        "data.init": "grey",
        "model.tv": None,
        "images.save_best": False,
        "model.style.weight": 1e5,
        "model.style": GRAM,
    }
    words = to_words(settings)
    assert words[1] == "--data.init=grey"
    assert words[2] == "--model.tv=null"
    assert words[3] == "--images.save_best=false"
    # What is no text comes back as it was.
    for word, (name, value) in zip(words, settings.items(), strict=True):
        key, _, text = word.partition("=")
        assert key == f"--{name}"
        assert (text if isinstance(value, str) else json.loads(text)) == value


def test_the_words_of_settings_are_those_settings() -> None:
    from nst_lightning.session import open_run, open_words

    given = {
        "data.size": 48,
        "data.style": ["sample:cat", "sample:coffee"],
        "model.tv": None,
        "model.style.weight": 3e4,
        "model.style.layers": ["conv1_1"],
        "model.style.layer_weights": None,
        "model.optimizer": {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.5}},
    }
    assert open_words(to_words(given)).settings == open_run(given).settings


@pytest.mark.parametrize(
    ("words", "settings", "rest"),
    [
        ([], {}, []),
        (["--size", "3", "a"], {}, ["--size", "3", "a"]),
        (["--settings.data.size", "3"], {"data.size": 3}, []),
        (["--settings.data.size=3", "x"], {"data.size": 3}, ["x"]),
        (["a", "--settings.a.b", "c", "d"], {"a.b": "c"}, ["a", "d"]),
        (["--settings.x=null"], {"x": None}, []),
        (["--settings.x=true"], {"x": True}, []),
        (["--settings.x", "1.0e+5"], {"x": 1e5}, []),
        (["--settings.x", "[a, b]"], {"x": ["a", "b"]}, []),
        (["--settings.x", "-3"], {"x": -3}, []),
        (["--settings.x=a=b"], {"x": "a=b"}, []),
        (["--settings.x="], {"x": None}, []),
        (["--settings.x=[a"], {"x": "[a"}, []),  # no YAML: a text, which the setting may refuse
        (["--settings.x=sample:cat"], {"x": "sample:cat"}, []),
        (["--settings.data={size: 3, init: grey}"], {"data.size": 3, "data.init": "grey"}, []),
        (["--settings.x=1", "--settings.y=2", "--settings.x=3"], {"y": 2, "x": 3}, []),
    ],
)
def test_take_settings(words: list[str], settings: dict[str, Any], rest: list[str]) -> None:
    before = list(words)
    found, left = take_settings(words)
    assert (found, left) == (settings, rest)
    assert list(found) == list(settings)
    assert words == before


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--settings", "a=1"], "--settings: name the setting"),
        (["--settings={a: 1}"], "--settings: name the setting"),
        (["--settings.data.size"], "--settings.data.size needs a value"),
        (["--settings.data.size", "--out", "x"], "--settings.data.size needs a value"),
    ],
)
def test_settings_without_a_name_or_a_value(words: list[str], line: str) -> None:
    with pytest.raises(InputError) as caught:
        take_settings(words)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_refuse_reserved() -> None:
    reserved = {"data.style": "--styles", "ckpt_path": "nothing"}
    refuse_reserved({"data.size": 3, "data.style_scale": 1}, reserved)
    with pytest.raises(InputError) as caught:
        refuse_reserved({"data.size": 3, "data.style": None}, reserved)
    assert str(caught.value) == "--settings.data.style: the command sets it; use --styles"


def test_neither_torch_nor_lightning_is_imported() -> None:
    program = (
        "import sys, nst_lightning.options\n"
        "assert not {'torch', 'lightning', 'numpy', 'jsonargparse'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=100)


# -- keys that stand twice --

DOCUMENTS = [
    "a: 1\nb: 2",
    "a: 1\na: 2",
    "a: {b: 1, c: {d: 1, d: 2}}",
    "- {a: 1}\n- {a: 2}",
    "- {a: 1, a: 2}",
    "{true: a, yes: b}",
    "{1: a, 0x1: b}",
    "{1: a, 1.0: b}",
    "{1: a, '1': b}",
    "{null: a, ~: b}",
    "{a: 1, 'a': 2}",
    '{"weight":1,"weight":2}',
    "x: &x {a: 1}\ny: *x\nz: *x",
    "x: &x {a: 1, a: 2}",
    "base: &b {a: 1}\nover: {<<: *b, a: 2}",
]


def pairs(node: Any) -> int:
    """Count what a document says, by PyYAML's own nodes."""
    if isinstance(node, yaml.MappingNode):
        return sum(1 + pairs(value) for _, value in node.value)
    return sum(map(pairs, node.value)) if isinstance(node, yaml.SequenceNode) else 0


def keys(content: Any) -> int:
    if isinstance(content, dict):
        return sum(1 + keys(value) for value in content.values())
    return sum(map(keys, content)) if isinstance(content, list) else 0


@pytest.mark.parametrize("text", DOCUMENTS)
def test_what_yaml_would_lose_is_refused(text: str) -> None:
    content = yaml.safe_load(text)
    merges = text.count("<<") * 2  # the key itself, and what it would have said
    if keys(content) < pairs(yaml.compose(text, yaml.SafeLoader)) - merges:
        with pytest.raises(InputError, match="stands twice"):
            load_yaml(text)
    else:
        assert load_yaml(text) == content


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("data: {size: 64}\ndata.size: 32", "data.size"),
        ("data.size: 32\ndata: {size: 64}", "data.size"),
        ("a: {data: {size: 64}, data.size: 32}", "a.data.size"),
        ("m: {s: {class_path: A, init_args: {w: 1}}}\nm.s.w: 2", "m.s.w"),
        ("m: {s: {class_path: A}}\nm.s: B", "m.s"),
        ("data: {size: 64}\ndata.init: grey", None),
        ("m.s: A\nm.s.w: 2", None),
    ],
)
def test_a_dotted_name_beside_the_mapping_that_says_it(text: str, name: str | None) -> None:
    if name is None:
        assert load_yaml(text) == yaml.safe_load(text)
        return
    with pytest.raises(InputError, match=f"the key {name} stands twice"):
        load_yaml(text)


def test_aliases_that_multiply(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    (tmp_path / "laughs.yaml").write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"laughs\.yaml: its aliases make too much of it"):
        read_yaml(tmp_path / "laughs.yaml")
