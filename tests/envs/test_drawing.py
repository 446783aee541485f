import numpy as np

from lifelong_rl.envs.drawing import BLUE, GREEN, RED, WHITE, Canvas


def canvas():
    return Canvas(x_low=-1.0, x_high=1.0, y_low=0.0, width=40, height=20)


def test_shapes_lie_where_the_scene_has_them_with_y_upwards():
    scene = canvas()
    scene.polygon([(-1.0, 0.0), (-0.5, 0.0), (-0.5, 0.5), (-1.0, 0.5)], RED)
    scene.circle((0.5, 0.5), 0.25, GREEN)
    scene.line([(-1.0, 0.9), (1.0, 0.9)], BLUE, width=2)
    picture = scene.picture()
    assert picture.shape == (20, 40, 3) and picture.dtype == np.uint8
    assert tuple(picture[15, 5]) == RED and tuple(picture[5, 5]) == WHITE
    assert tuple(picture[10, 30]) == GREEN and tuple(picture[10, 20]) == WHITE
    assert tuple(picture[2, 20]) == BLUE


def test_words_are_written():
    scene = canvas()
    scene.text((-0.9, 0.2), "task", size=10)
    assert scene.picture().min() < 120
