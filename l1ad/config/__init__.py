"""What a user writes: the configuration of a run, read from YAML and checked."""

from l1ad.config.features import AugmentationConfig, FeaturesConfig
from l1ad.config.firmware import BudgetConfig, ConversionConfig, EmulationConfig, SynthesisConfig
from l1ad.config.load import apply_overrides, dump_config, load_config
from l1ad.config.models import (
    DataConfig,
    EvaluationConfig,
    InputsConfig,
    NetworkConfig,
    PruningConfig,
    QuantizationConfig,
    RunConfig,
    ScoreConfig,
    TrainingConfig,
)
from l1ad.config.regions import StudentConfig
from l1ad.config.search import Dimension, SearchConfig

__all__ = [
    "AugmentationConfig",
    "BudgetConfig",
    "ConversionConfig",
    "DataConfig",
    "Dimension",
    "EmulationConfig",
    "EvaluationConfig",
    "FeaturesConfig",
    "InputsConfig",
    "NetworkConfig",
    "PruningConfig",
    "QuantizationConfig",
    "RunConfig",
    "ScoreConfig",
    "SearchConfig",
    "StudentConfig",
    "SynthesisConfig",
    "TrainingConfig",
    "apply_overrides",
    "dump_config",
    "load_config",
]
