"""Average attention: Eq. 4 of the [Re] report in its four readings.

Legend: H heads, N tokens; A row-stochastic, A_ij the weight that query i gives to key j, c_j the column sum of A.
The report's prose, its equation and its code disagree (D11 of paper_tables/deviations.md), so each reading has a
name, and every figure prints the formula of the one it shows.

    average_attention(map_HNN, "R1")        # (H, N)
"""

from dataclasses import dataclass

from torch import Tensor

from reproduce.errors import UserError

DEFAULT = "R1"


@dataclass(frozen=True)
class Reading:
    """One reading of Eq. 4: who reads it so, its formula (mathtext and plain text), and what it tells."""

    name: str
    source: str
    formula: str
    plain: str
    meaning: str


READINGS: dict[str, Reading] = {
    reading.name: reading
    for reading in (
        Reading(
            "R0",
            "the authors' last code",
            r"$a_j = \dfrac{1}{N}\,\sum_i A_{ij}$",
            "a_j = 1/N sum_i A_ij",
            "attention received by pixel j",
        ),
        Reading(
            "R1",
            "the code of the published figures; Eq. 4 with its index mended",
            r"$a_i = \dfrac{1}{N}\,\sum_j \dfrac{A_{ij}}{\sum_k A_{kj}}$",
            "a_i = 1/N sum_j A_ij / sum_k A_kj",
            "share of pixel i in the attention that the pixels receive",
        ),
        Reading(
            "R2",
            "the text: a row-wise sum",
            r"$a_i = \dfrac{1}{N}\,\sum_j \dfrac{A_{ij}}{\sum_k A_{ik}}$",
            "a_i = 1/N sum_j A_ij / sum_k A_ik",
            "1/N everywhere: rows of a softmax sum to one",
        ),
        Reading(
            "R3",
            "Eq. 4 to the letter",
            r"$a_i = \dfrac{1}{N}\,\sum_j \dfrac{A_{ij}}{\sum_k A_{ki}}$",
            "a_i = 1/N sum_j A_ij / sum_k A_ki",
            "reciprocal of the attention that pixel i receives",
        ),
    )
}


def find_reading(name: str) -> Reading:
    """Return the reading called ``name`` (R0 to R3); raises UserError with the nearest one."""
    if name.upper() not in READINGS:
        raise UserError(f"Eq. 4 has no reading '{name}'", f"choose one of: {', '.join(READINGS)}")
    return READINGS[name.upper()]


def average_attention(map_HNN: Tensor, name: str = DEFAULT) -> Tensor:
    """Return the average attention (H, N) of maps (H, N, N), rows queries, by reading ``name``.

    A key that receives no attention at all (an underflow of float32) adds nothing in R1 and is infinite in R3.

    Raises:
        UserError: an unknown reading.
    """
    name = find_reading(name).name
    received_HN = map_HNN.sum(dim=1)
    if name == "R0":
        return received_HN / map_HNN.shape[1]
    if name == "R1":
        # what is divided is zero wherever the divisor is: 0 / 1 in place of 0 / 0
        safe_H1N = received_HN.where(received_HN > 0, received_HN.new_ones(()))[:, None, :]
        return (map_HNN / safe_H1N).mean(dim=2)
    if name == "R2":
        return (map_HNN / map_HNN.sum(dim=2, keepdim=True)).mean(dim=2)
    return map_HNN.sum(dim=2) / (map_HNN.shape[1] * received_HN)
