"""The small picture of a finding."""

from controlplane.dashboard.leakchart import HEIGHT, WIDTH, picture


def test_the_line_the_onset_and_the_band_lie_in_the_box() -> None:
    points = [(100.0 + 5 * step, 10.0 + step) for step in range(9)]
    made = picture(points, since=110.0, rate=0.2, low=0.1, high=0.3, limit=None)
    pairs = [
        tuple(map(float, pair.split(",")))
        for part in (made.line, made.ahead, made.band)
        for pair in part.split()
    ]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in pairs)
    assert made.line.split()[-1] == made.band.split()[0] == made.ahead.split()[0]
    assert 0 < float(made.onset) < WIDTH
    assert made.limit == ""


def test_a_limit_is_drawn_where_it_is_near_and_one_point_is_no_picture() -> None:
    points = [(0.0, 10.0), (10.0, 20.0)]
    assert picture(points, since=-5.0, rate=1.0, low=1.0, high=1.0, limit=21.0).limit != ""
    assert picture(points, since=-5.0, rate=1.0, low=1.0, high=1.0, limit=1000.0).limit == ""
    assert picture(points, since=-5.0, rate=1.0, low=1.0, high=1.0, limit=None).onset == ""
    assert picture(points[:1], since=0.0, rate=1.0, low=1.0, high=1.0, limit=None).line == ""
