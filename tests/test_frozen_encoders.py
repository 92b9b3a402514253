"""The paper's frozen encoders, against the packages they come from."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

pytest.importorskip(
    "wav2clip", reason="the paper's encoders come with the teachers extra", exc_type=(ImportError, OSError)
)
open_clip = pytest.importorskip("open_clip", reason="the paper's encoders come with the teachers extra")

from PIL import Image  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from upstream import random_state, register_small_clip, write_wav2clip  # noqa: E402

from audio2shape_core import checkpoint, models  # noqa: E402
from audio2shape_core.alignment import clip_encoder, pretrained  # noqa: E402
from audio2shape_core.alignment.clip_encoder import build_clip  # noqa: E402
from audio2shape_core.alignment.wav2clip_encoder import build_wav2clip  # noqa: E402
from audio2shape_core.errors import InputError  # noqa: E402
from audio2shape_core.presets import PAPER, Optimization  # noqa: E402
from audio2shape_core.training.loop import fit  # noqa: E402
from audio2shape_core.vocabulary import Vocabulary  # noqa: E402

SIZES = dataclasses.replace(PAPER.alignment, point_widths=(8, 16))
VOCABULARY = Vocabulary(("dog", "cat", "bell"), (0.9, 0.6, 0.25))

CLIPS = torch.from_numpy(np.random.default_rng(0).standard_normal((3, 32_000)).astype(np.float32))
CLIPS *= torch.tensor([[0.5], [0.01], [0.1]]) * torch.linspace(1, 0, 32_000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder as `audio2shape pretrained` fills it, but for CLIP's size."""
    return tmp_path_factory.mktemp("pretrained")


@pytest.fixture(scope="module")
def theirs(folder):
    return write_wav2clip(folder / "Wav2CLIP.pt")


@pytest.fixture(scope="module")
def ours(folder, theirs):
    return build_wav2clip(folder / "Wav2CLIP.pt")


@pytest.fixture
def small_clip(folder, monkeypatch):
    """open_clip's own small model, and our encoder on the same file."""
    name = register_small_clip(folder)
    path = folder / "open_clip_model.safetensors"
    save_file(random_state(name), path)
    monkeypatch.setattr(clip_encoder, "MODEL", name)
    return open_clip.create_model(name, pretrained=str(path)), build_clip(path)


def test_wav2clip_agrees_with_its_authors(ours, theirs):
    for clip in CLIPS.split(1):
        expected = functional.normalize(theirs(clip), dim=-1)
        assert torch.allclose(ours(clip)[0], expected, atol=1e-5, rtol=0)


def test_a_clip_does_not_depend_on_its_neighbours(ours, theirs):
    alone = torch.cat([ours(clip)[0] for clip in CLIPS.split(1)])
    assert torch.allclose(ours(CLIPS)[0], alone, atol=1e-5)
    assert not torch.allclose(functional.normalize(theirs(CLIPS), dim=-1), alone, atol=1e-3)  # upstream's does


@pytest.mark.parametrize(("seconds", "frames"), [(1, 2), (4, 6), (10, 15)])
def test_tokens_are_the_map_before_pooling(ours, seconds, frames):
    waveform = torch.randn(2, seconds * 16_000, generator=torch.Generator().manual_seed(0))
    embedding, tokens = ours(waveform)
    assert tokens.shape == (2, 9 * frames, 512)
    assert torch.allclose(functional.normalize(ours.transform(tokens.mean(1)), dim=-1), embedding, atol=1e-5)


def test_silence_is_embedded_like_any_other_clip(ours):
    embedding, tokens = ours(torch.zeros(1, 16_000))
    assert torch.isfinite(tokens).all()
    assert embedding.norm() == pytest.approx(1, abs=1e-5)
    assert ours.log_mel(torch.zeros(1, 16_000)).abs().max() < 1


def test_clip_agrees_with_open_clip_through_its_own_preprocessing(small_clip):
    theirs, ours = small_clip
    preprocess = open_clip.image_transform(64, is_train=False)
    for size in (64, 150):
        pixels = np.random.default_rng(size).integers(0, 256, (8, 8, 3), np.uint8)
        picture = Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC)
        expected = theirs.eval().encode_image(preprocess(picture)[None], normalize=True)
        images = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 255
        # At another size torch's resampling rounds differently from Pillow's, which works on whole numbers.
        assert torch.allclose(ours(images), expected, atol=1e-5 if size == 64 else 1e-2, rtol=0)


def test_the_full_size_clip_agrees_with_open_clip(tmp_path):
    state = {key: t.half() for key, t in random_state("ViT-B-32").items()}
    save_file(state, tmp_path / "open_clip_model.safetensors")
    with torch.device("meta"):
        theirs = open_clip.create_model("ViT-B-32-quickgelu", device="meta").eval()
    theirs.load_state_dict({key: t.float() for key, t in state.items()}, assign=True)
    images = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD))
    expected = theirs.encode_image((images - mean) / std, normalize=True)
    assert torch.allclose(build_clip(tmp_path / "open_clip_model.safetensors")(images), expected, atol=1e-5, rtol=0)


@pytest.mark.filterwarnings("ignore:`torch.jit", "ignore:Converting a tensor", "ignore:'torch.load' received")
@pytest.mark.parametrize("form", ["pickle", "TorchScript"])
def test_clip_comes_in_other_forms(folder, small_clip, form):
    theirs, ours = small_clip
    images = torch.rand(1, 3, 64, 64)
    path = folder / "ViT-B-32.pt"
    if form == "pickle":
        torch.save({"state_dict": theirs.state_dict()}, path)
    else:

        class Archive(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.visual = theirs.visual

            def forward(self, x):
                return self.visual(x)

        torch.jit.save(torch.jit.trace(Archive().eval(), images, check_trace=False), path)
    assert torch.equal(build_clip(path)(images), ours(images))
    path.unlink()


def tri_encoder(folder, small_clip):
    return models.build_tri_encoder(SIZES, VOCABULARY, pretrained=str(folder))


def test_training_around_them_changes_neither_weights_nor_statistics(folder, theirs, small_clip, tmp_path):
    torch.manual_seed(0)
    model = tri_encoder(folder, small_clip)
    before = {name: t.clone() for name, t in model.state_dict().items()}
    model.requires_grad_(True)  # even so
    target = torch.arange(3)

    def losses(step):
        embeddings = {
            "audio": model.audio(CLIPS)[0],
            "image": model.image(torch.rand(3, 3, 64, 64)),
            "point": model.point(torch.rand(3, 32, 3)),
        }
        assert not embeddings["audio"].requires_grad
        assert not embeddings["image"].requires_grad
        return {n: functional.cross_entropy(model.scale * e @ model.anchors.T, target) for n, e in embeddings.items()}

    average = fit(
        model, losses, Optimization(3, 3, 0.1, 0.1, warmup_steps=1), tmp_path, resume=False, device=torch.device("cpu")
    )
    assert model.training
    assert not any(module.training for part in (model.audio, model.image) for module in part.modules())
    for trained in (model, average):
        for name, tensor in trained.state_dict().items():
            frozen = name.startswith(("audio.", "image.", "familiarity."))  # the last is filled after training
            assert torch.equal(tensor, before[name]) == frozen, name


def test_their_parameters_ask_for_no_gradient(ours, small_clip):
    for encoder in (ours, small_clip[1]):
        assert list(encoder.parameters())
        assert not any(p.requires_grad for p in encoder.parameters())


def test_a_checkpoint_carries_them(folder, theirs, small_clip, tmp_path):
    model = tri_encoder(folder, small_clip).eval()
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.half())  # what a checkpoint keeps
    checkpoint.save(tmp_path / "a.safetensors", "alignment", vars(SIZES), VOCABULARY, model.state_dict(), {})
    loaded, config, stored = models.load_tri_encoder(tmp_path / "a.safetensors")
    assert str(folder) not in str(stored.config)
    assert (config, loaded.vocabulary) == (SIZES, VOCABULARY)
    for ours, again in zip(model.audio(CLIPS), loaded.audio(CLIPS)):
        assert torch.equal(ours, again)
    images = torch.rand(1, 3, 64, 64)
    assert torch.equal(model.image(images), loaded.image(images))
    assert not any(p.requires_grad for p in loaded.audio.parameters())


@pytest.mark.filterwarnings("ignore:`torch.jit")
@pytest.mark.parametrize("build", [build_wav2clip, build_clip])
@pytest.mark.parametrize("content", ["nothing", "text", "an empty dict", "another model", "code"])
def test_other_files_are_refused_in_one_line(tmp_path, build, content):
    path = tmp_path / "weights.pt"
    if content == "nothing":
        path.write_bytes(b"")
    elif content == "text":
        path.write_text("no weights at all")
    elif content == "an empty dict":
        torch.save({}, path)
    elif content == "another model":
        torch.save({"layer.weight": torch.zeros(3)}, path)
    else:
        torch.save({"layer": print}, path)
    with pytest.raises(InputError, match="expected") as error:
        build(path)
    assert "\n" not in str(error.value)
    if content == "another model":
        assert "Missing key" in str(error.value)


def test_missing_weights_say_how_to_get_them(tmp_path):
    with pytest.raises(InputError, match=r"no Wav2CLIP.pt in .*audio2shape pretrained DIR"):
        models.build_tri_encoder(PAPER.alignment, VOCABULARY, pretrained=str(tmp_path))
    (tmp_path / "Wav2CLIP.pt").touch()
    with pytest.raises(InputError, match=r"no open_clip_model.safetensors or .*audio2shape pretrained DIR"):
        pretrained.check(PAPER.alignment, str(tmp_path))


def test_download_fetches_what_is_missing_and_says_when_it_cannot(tmp_path, monkeypatch):
    source = tmp_path / "there" / "weights.bin"
    source.parent.mkdir()
    source.write_bytes(b"weights")
    monkeypatch.setattr("wav2clip.MODEL_URL", source.as_uri())
    here = tmp_path / "here"
    here.mkdir()
    (here / "ViT-B-32.pt").write_bytes(b"mine")
    assert pretrained.download(here) == [here / "Wav2CLIP.pt", here / "ViT-B-32.pt"]
    assert (here / "Wav2CLIP.pt").read_bytes() == b"weights"
    assert (here / "ViT-B-32.pt").read_bytes() == b"mine"
    monkeypatch.setattr("wav2clip.MODEL_URL", (tmp_path / "nowhere").as_uri())
    with pytest.raises(InputError, match="cannot fetch Wav2CLIP.pt"):
        pretrained.download(tmp_path / "elsewhere")


def test_download_takes_clip_out_of_the_hubs_cache(tmp_path, monkeypatch):
    """The hub leaves a link to a file named by its hash; we want the file, by its name."""

    def hub(cfg, cache_dir):
        assert cfg["quick_gelu"]
        blob = tmp_path / "blob"
        blob.write_bytes(b"weights")
        link = tmp_path / "here/.download/open_clip_model.safetensors"
        link.parent.mkdir(parents=True)
        link.symlink_to(blob)
        return str(link)

    monkeypatch.setattr("open_clip.pretrained.download_pretrained", hub)
    (tmp_path / "here").mkdir()
    (tmp_path / "here/Wav2CLIP.pt").touch()
    pretrained.download(tmp_path / "here")
    assert sorted(p.name for p in (tmp_path / "here").iterdir()) == ["Wav2CLIP.pt", "open_clip_model.safetensors"]
    assert not (tmp_path / "here/open_clip_model.safetensors").is_symlink()
