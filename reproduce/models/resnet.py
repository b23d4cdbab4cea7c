"""ResNet-18 for small images: a 3x3 stem and no max-pool before torchvision's basic blocks ([Re] report, Table 1)."""

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from reproduce.recipes.architectures import ResNet


def make_stage(inputs: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    """Return ``blocks`` basic blocks; the first one strides and, where shapes change, projects its shortcut."""
    shortcut = None
    if stride != 1 or inputs != width:
        shortcut = nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width))
    first = BasicBlock(inputs, width, stride, shortcut)
    return nn.Sequential(first, *(BasicBlock(width, width) for _ in range(blocks - 1)))


def make_stem(width: int) -> nn.Sequential:
    """Return conv 3x3 - BatchNorm - ReLU at full resolution."""
    return nn.Sequential(nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True))


def init_convolutions(module: nn.Module) -> None:
    """Draw every convolution's weights as torchvision's ResNet does: Kaiming normal, fan out."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")


class ResNet18(nn.Module):
    """Classifier; ``forward`` returns logits (B, classes). It has no attention to show."""

    def __init__(self, spec: ResNet) -> None:
        super().__init__()
        self.spec = spec
        self.stem = make_stem(spec.width)
        widths = [spec.width * 2**stage for stage in range(len(spec.blocks))]
        inputs = [spec.width, *widths[:-1]]
        sizes = zip(inputs, widths, spec.blocks, strict=True)
        self.stages = nn.Sequential(
            *(make_stage(old, new, blocks, 1 if old == new else 2) for old, new, blocks in sizes)
        )
        self.classify = nn.Linear(widths[-1], spec.classes)
        init_convolutions(self)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Return logits (B, classes)."""
        return self.classify(self.stages(self.stem(image_BCHW)).mean(dim=(2, 3)))
