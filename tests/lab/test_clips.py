from pathlib import Path

import pytest

from pengi_stream.errors import ConfigError
from pengi_stream.lab.clips import Clip, check_disjoint, read_captions, read_clips


def test_fold_4_is_held_out_and_everything_else_is_trained_on(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(
        "path,label,set\nesc10/rain/1-2-A.ogg,rain,esc10\nesc10/rain/4-3-A.ogg,rain,esc10\nambient/rain.ogg,rain,ambient\n"
    )

    assert [clip.split for clip in read_clips(tmp_path)] == ["train", "test", "train"]


def test_a_source_in_both_splits_is_refused() -> None:
    clips = [Clip(Path("1-77-A.ogg"), "rain", "esc10", "train"), Clip(Path("4-77-B.ogg"), "rain", "esc10", "test")]

    with pytest.raises(ConfigError, match="training set and in the test set"):
        check_disjoint(clips)


def test_captions_come_as_one_line_without_a_full_stop(tmp_path: Path) -> None:
    (tmp_path / "captions").mkdir()
    (tmp_path / "captions" / "audiocaps_val.csv").write_text(
        'audiocap_id,youtube_id,start_time,caption\n1,x,0,"A dog  barks,\nthen rests."\n'
    )

    assert list(read_captions(tmp_path, ("val",))) == ["A dog barks, then rests"]
