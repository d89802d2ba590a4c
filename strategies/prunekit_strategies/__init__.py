"""The strategies that come with prunekit: one file per method."""
