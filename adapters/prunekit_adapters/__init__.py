"""The adapters that come with prunekit: one short declarative file per architecture family."""
