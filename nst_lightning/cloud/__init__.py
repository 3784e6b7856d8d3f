"""Many paintings at once on Amazon SageMaker, and the same on this machine without an account.

Everything that imports the SageMaker SDK is in :mod:`nst_lightning.cloud.sdk`; what runs inside a
job is in :mod:`nst_lightning.cloud.job`.
"""
