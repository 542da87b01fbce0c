from pengi_stream.bench.model import measure
from pengi_stream.models.fake import FakeModelConfig
from pengi_stream.options import DecodingOptions


def test_figures_of_each_batch_size_agree_with_each_other() -> None:
    figures = measure(FakeModelConfig(type="fake").build(), [1, 4], DecodingOptions(), repeats=3)
    assert [each.batch for each in figures] == [1, 4]
    for each in figures:
        assert 0 < each.fastest_s <= each.latency_s <= each.slowest_s
        assert abs(each.windows_a_second * each.latency_s - each.batch) < 1e-6
