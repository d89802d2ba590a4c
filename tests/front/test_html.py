"""The page: the chart has every model, and each links to its report."""

from html.parser import HTMLParser

from prunekit.front.figures import Selection
from prunekit.front.html import front_chart, front_html


class Page(HTMLParser):
    """The targets of links and the texts of a page."""

    def __init__(self, text):
        super().__init__()
        self.links = []
        self.texts = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data):
        self.texts.append(data.strip())


def test_the_chart_has_every_model_and_fills_the_one_to_take(found):
    chart = front_chart(found, 960, 480)
    assert {point.label for point in chart.points} == {"dense", "decoder-6", "decoder-3", "decoder-1"}
    assert all(point.filled for point in chart.points)
    taken = found.model_copy(update={"selection": Selection(model="decoder-3", met=True, keep=0.98)})
    filled = {point.label for point in front_chart(taken, 960, 480).points if point.filled}
    assert filled == {"dense", "decoder-3"}
    by_label = {point.label: point for point in chart.points}
    assert by_label["decoder-1"].x > by_label["decoder-3"].x > by_label["dense"].x
    assert by_label["decoder-1"].y > by_label["decoder-3"].y  # pixels count downwards
    assert by_label["decoder-3"].low > by_label["decoder-3"].y > by_label["decoder-3"].high


def test_the_page_links_to_every_report_and_to_nothing_else(found):
    page = Page(front_html(found))
    assert page.links == [f"decoder-{layers}/report.html" for layers in (6, 3, 1)]
    assert "The front of nash on g2p (t5)" in page.texts
    assert "98.2%" in page.texts
