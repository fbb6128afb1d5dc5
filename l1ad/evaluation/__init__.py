"""What a score does on physics: ROC, AUC, thresholds as raw integers, trigger rates."""

from l1ad.evaluation.evaluate import evaluate_scores, write_evaluation

__all__ = ["evaluate_scores", "write_evaluation"]
