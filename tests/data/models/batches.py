"""Inputs of which the first dimension is a batch, and such of which it is not."""

import torch
from torch import nn


class _Detector(nn.Module):
    """A list of images of different sizes in, one record per image out, of any length."""

    def __init__(self):
        super().__init__()
        self.grid = nn.Conv2d(3, 5, 3, stride=2, padding=1)

    def forward(self, images):
        records = []
        for image in images:
            cells = self.grid(image[None])[0].flatten(1)
            scores = cells[0].sigmoid()
            kept = scores > 0.5
            records.append({"boxes": cells[1:].t()[kept], "scores": scores[kept]})
        return records


def images():
    return _Detector(), ([torch.rand(3, 12, 16), torch.rand(3, 8, 8)],)


class _Speech(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.GRU(8, 16), nn.Linear(16, 4)

    def forward(self, frames, state=None):
        out, state = self.rnn(frames, state)
        return self.head(out), state


def sequence_first():
    """16 frames of one speaker."""
    return _Speech(), (torch.randn(16, 1, 8), torch.zeros(1, 1, 16))


def attention_time_first():
    """Twice the same frames give each frame twice, because attention is a mean."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0)
    return nn.TransformerEncoder(layer, 1, enable_nested_tensor=False), torch.randn(6, 2, 8)


class _Points(nn.Module):
    """Each point beside the largest of all."""

    def __init__(self):
        super().__init__()
        self.lift, self.head = nn.Linear(3, 8), nn.Linear(16, 4)

    def forward(self, points):
        features = self.lift(points).relu()
        together = features.amax(0, keepdim=True).expand_as(features)
        return self.head(torch.cat([features, together], 1))


def points():
    return _Points(), torch.randn(20, 3)


class _Graph(nn.Module):
    """Messages along edges, in pure torch."""

    def __init__(self):
        super().__init__()
        self.own, self.others = nn.Linear(4, 8), nn.Linear(4, 8)

    def forward(self, nodes, edges):
        source, target = edges
        received = torch.zeros_like(nodes).index_add(0, target, nodes[source])
        return self.own(nodes) + self.others(received)


def graph():
    edges = torch.tensor([[0, 1, 2, 3, 4], [1, 2, 3, 4, 0]])
    return _Graph(), (torch.randn(5, 4), edges)


def one_image():
    """Channels come first, there is no batch."""
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), torch.rand(3, 12, 12)


class _Recogniser(nn.Module):
    """Text of images as CTC wants it: time, batch, classes."""

    def __init__(self):
        super().__init__()
        self.convolutions = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.ReLU())
        self.rnn, self.head = nn.LSTM(32, 8, bidirectional=True), nn.Linear(16, 11)

    def forward(self, image):
        features = self.convolutions(image).flatten(1, 2).permute(2, 0, 1)
        return self.head(self.rnn(features)[0]).log_softmax(2)


def recogniser():
    return _Recogniser(), torch.rand(2, 1, 16, 24)


class _BatchFirst(nn.Module):
    """Frames have the batch first, the state that comes out has its layers first."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(8, 16, num_layers=2, batch_first=True)

    def forward(self, frames):
        out, (hidden, cells) = self.rnn(frames)
        return out[:, -1], hidden, cells


def batch_first():
    return _BatchFirst(), torch.randn(3, 6, 8)
