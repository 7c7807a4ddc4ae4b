"""`minibert handout`: what it says, and what it refuses before it writes."""

from minibert.course.exercises import handout


def test_it_says_what_to_hand_out_and_what_to_keep(tmp_path, output_of, failing, monkeypatch):
    monkeypatch.setattr(handout, "OF_THE_COURSE", ["LICENSE"])  # the whole course is tried elsewhere
    (tmp_path / "class.txt").write_text("kim\n李明\n", encoding="utf-8")
    words = ("handout", "02", "--students", tmp_path / "class.txt", "--output")
    printed = output_of(*words, tmp_path / "week 1")
    assert printed[:2] == ["lessons     02_glove", "students    2: kim … 李明"]
    assert printed[2].endswith("what_stays")
    assert printed[3].startswith(f"hand out    {tmp_path / 'week 1' / 'students'}: ")
    assert (tmp_path / "week 1" / "students" / "李明" / "02_glove_李明.ipynb").is_file()
    assert "holds something already" in failing(*words, tmp_path / "week 1")
    assert "No such file" in failing("handout", "02", "--students", "none.csv", "--output", tmp_path / "new")
    assert "there is no lesson '99'" in failing(
        "handout", "99", "--students", tmp_path / "class.txt", "--output", tmp_path / "new"
    )
    assert not (tmp_path / "new").exists()
