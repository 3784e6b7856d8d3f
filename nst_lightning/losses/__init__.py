"""Loss terms: one a file, its formulas above the class."""

from nst_lightning.losses.content import ContentLoss
from nst_lightning.losses.gram import GramLoss
from nst_lightning.losses.guided_gram import GuidedGramLoss
from nst_lightning.losses.mean_deviation import MeanDeviationLoss
from nst_lightning.losses.moment import MomentLoss
from nst_lightning.losses.nearest_neighbour import NearestNeighbourLoss
from nst_lightning.losses.reference import Reference
from nst_lightning.losses.self_similarity import SelfSimilarityLoss
from nst_lightning.losses.sliced_wasserstein import SlicedWassersteinLoss
from nst_lightning.losses.summed import SummedTerm
from nst_lightning.losses.temporal import TemporalLoss
from nst_lightning.losses.term import STD5, LossTerm
from nst_lightning.losses.total_variation import TotalVariationLoss
from nst_lightning.losses.wasserstein import WassersteinLoss

__all__ = [
    "STD5",
    "ContentLoss",
    "GramLoss",
    "GuidedGramLoss",
    "LossTerm",
    "MeanDeviationLoss",
    "MomentLoss",
    "NearestNeighbourLoss",
    "Reference",
    "SelfSimilarityLoss",
    "SlicedWassersteinLoss",
    "SummedTerm",
    "TemporalLoss",
    "TotalVariationLoss",
    "WassersteinLoss",
]
