"""An adapter and a strategy for prunekit, made by somebody else."""
