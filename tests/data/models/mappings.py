"""What language models take and give: mappings that are no dict, records that are no tuple."""

import collections
import dataclasses
import types

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence


class _Tokens(collections.UserDict):
    """Like a tokenizer's result."""


@dataclasses.dataclass
class _Answer:
    logits: torch.Tensor
    hidden: tuple


@dataclasses.dataclass
class _ModelOutput(collections.OrderedDict):
    """A mapping whose items are its fields that are set, as in `transformers`."""

    logits: torch.Tensor = None
    hidden: tuple = None

    def __post_init__(self):
        for field in dataclasses.fields(self):
            if getattr(self, field.name) is not None:
                super().__setitem__(field.name, getattr(self, field.name))

    def __delitem__(self, name):
        raise TypeError("items of an answer stay")


class _Encoder(nn.Module):
    def __init__(self, answer=_Answer):
        super().__init__()
        self.words, self.head, self.answer = nn.Embedding(50, 8), nn.Linear(8, 4), answer

    def forward(self, ids, mask):
        hidden = self.words(ids) * mask[..., None]
        return self.answer(self.head(hidden.sum(1)), (hidden,))


class _FromBatch(nn.Module):
    """One dict as its only positional argument."""

    def __init__(self):
        super().__init__()
        self.encoder = _Encoder()

    def forward(self, batch):
        answer = self.encoder(batch["ids"], batch["mask"])
        return {"logits": answer.logits, "aux": {"hidden": answer.hidden}}


class _FromBatchAndMore(_FromBatch):
    """The dict's names are taken for options."""

    def forward(self, batch, **options):
        return super().forward(batch)


def _inputs():
    return {"ids": torch.randint(0, 50, (1, 16)), "mask": torch.ones(1, 16)}


def tokens():
    return _Encoder(), _Tokens(_inputs())


def ordered_records():
    return _Encoder(_ModelOutput), collections.OrderedDict(_inputs())


def read_only():
    return _FromBatch(), (types.MappingProxyType(_inputs()),)


def dict_in_tuple():
    return _FromBatch(), (_inputs(),)


def one_dict():
    """The usual slip: read as keyword arguments."""
    return _FromBatch(), _inputs()


def one_dict_and_options():
    return _FromBatchAndMore(), _inputs()


class _Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(4, 8)

    def forward(self, packed):
        return self.rnn(packed)


def packed():
    return _Reader(), (pack_sequence([torch.randn(7, 4), torch.randn(4, 4)]),)


def packed_unsorted():
    frames = torch.randn(7, 3, 4)
    return _Reader(), (pack_padded_sequence(frames, [3, 7, 5], enforce_sorted=False),)


class _Nested(nn.Module):
    """Sentences in a record."""

    def __init__(self):
        super().__init__()
        self.reader = _Reader()

    def forward(self, batch):
        assert isinstance(batch["sentences"], PackedSequence)
        return self.reader(batch["sentences"])[0]


def packed_in_a_dict():
    return _Nested(), ({"sentences": pack_sequence([torch.randn(3, 4)]), "language": "en"},)


class _Sample:
    """A type of the user's own, that does not let itself be made anew."""

    def __init__(self, *, frames):
        self.frames = frames


class _Whole(nn.Module):
    def forward(self, sample):
        return sample.frames * 2


def own_type():
    return _Whole(), (_Sample(frames=torch.randn(3, 4)),)
