"""``python -m prunekit``: the same as ``prunekit``."""

from prunekit.cli import app

if __name__ == "__main__":
    app(prog_name="prunekit")
