"""The search over weights: by SageMaker or by Optuna, with one report for both."""
