"""An adapter, a strategy, a task and a metric for prunekit, made by somebody else."""
