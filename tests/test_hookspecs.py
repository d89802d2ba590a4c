"""The hooks: one for each kind of plugin, and plugins that implement another are refused."""

import pluggy
import pytest

from prunekit import hookspecs, plugins

KINDS = [kind for kind in vars(plugins).values() if isinstance(kind, plugins.PluginKind)]


def manager():
    made = pluggy.PluginManager("prunekit")
    made.add_hookspecs(hookspecs)
    return made


def test_every_kind_of_plugin_has_its_documented_hook_and_no_other_there_is():
    names = {name for name in vars(hookspecs) if name.startswith("prunekit_")}
    assert names == {kind.hook for kind in KINDS}
    assert {len(names), len(KINDS)} == {4}
    assert all(getattr(hookspecs, name).__doc__ for name in names)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.noun)
def test_a_hook_gives_what_one_plugin_returns(kind):
    class Plugin:
        pass

    setattr(Plugin, kind.hook, staticmethod(hookspecs.hookimpl(lambda: int)))
    made = manager()
    assert getattr(made.hook, kind.hook)() is None, "nobody implements it yet"
    made.register(Plugin)
    made.check_pending()
    assert getattr(made.hook, kind.hook)() is int


def test_a_misspelt_hook_is_refused():
    class Plugin:
        @staticmethod
        @hookspecs.hookimpl
        def prunekit_metrik():
            return int

    made = manager()
    made.register(Plugin)
    with pytest.raises(pluggy.PluginValidationError, match="unknown hook 'prunekit_metrik'"):
        made.check_pending()
