"""Animals and a person: all stand on their feet and look toward +x."""

import numpy as np
from numpy.typing import ArrayLike

from audio2shape_core.synthetic.shapes import surfaces as s
from audio2shape_core.synthetic.shapes.surfaces import Body, Color, Rng, pick

BEAK, HORN, COMB = (225, 160, 50), (215, 205, 180), (200, 40, 40)


def leg(
    body: Body, hip: ArrayLike, foot: ArrayLike, radius: float, color: Color, *, bend: float = 0.0, paw: float = 1.5
) -> None:
    """A tapered leg from hip to foot, its middle joint moved by `bend` along x, with a small paw toward +x."""
    hip, foot = np.asarray(hip, float), np.asarray(foot, float)
    knee = 0.5 * (hip + foot) + (bend, 0, 0)
    body.add(s.tube(s.smooth([hip, knee, foot], 8), np.linspace(1.6, 0.8, 8) * radius), color, 1.3)
    size = paw * radius
    body.add(s.ellipsoid(foot + (0.5 * size, 0, 0.3 * size), (1.2 * size, 0.8 * size, 0.6 * size)), color)


def four_legs(
    body: Body, length: float, width: float, height: float, radius: float, color: Color, rng: Rng, *, paw: float
) -> None:
    """Four legs under a trunk which is `length` long and ends at x = ±length/2, in a small random stride."""
    for x, bend in ((0.40 * length, 0.02), (-0.40 * length, -0.06)):
        for y in (width, -width):
            step = rng.uniform(-0.06, 0.06) * length
            leg(body, (x, y, 1.2 * height), (x + step, 1.05 * y, 0), radius, color, bend=bend * length, paw=paw)


def pointed_ears(body: Body, at: ArrayLike, size: float, apart: float, color: Color) -> None:
    """Two upright triangular ears, `apart` to each side of the point `at`."""
    for side in (1, -1):
        foot = np.asarray(at, float) + (0, side * apart, 0)
        tip = foot + (-0.1 * size, 0.35 * side * size, size)
        body.add(s.tube([foot, tip], [0.42 * size, 0.03 * size], flatten=0.5), color, 1.4)


def hanging_ears(body: Body, at: ArrayLike, size: float, apart: float, color: Color, *, out: float = 0.3) -> None:
    """Two flat ears that hang from the point `at`; a large `out` holds them sideways instead."""
    for side in (1, -1):
        foot = np.asarray(at, float) + (0, side * apart, 0)
        path = [foot, foot + (0, side * out * size, -0.3 * size), foot + (0.05 * size, 1.4 * side * out * size, -size)]
        radii = np.array([0.15, 0.30, 0.27, 0.20, 0.05]) * size
        body.add(s.tube(s.smooth(path, 5), radii, flatten=0.3), color, 1.4)


def dog(body: Body, rng: Rng) -> None:
    """Hound, shepherd, terrier or dachshund: deep chest, long muzzle, pointed or hanging ears, raised tail."""
    breed = pick(rng, ["hound", "shepherd", "terrier", "dachshund"], p=[0.35, 0.35, 0.2, 0.1])
    coat = pick(rng, [(150, 100, 55), (60, 45, 35), (205, 175, 130), (110, 75, 45), (225, 220, 210), (45, 42, 42)])
    dark = s.shade(coat, 0.6)
    legs = {"hound": 0.52, "shepherd": 0.48, "terrier": 0.38, "dachshund": 0.2}[breed] * rng.uniform(0.9, 1.1)
    length = {"terrier": 0.75, "dachshund": 1.15}.get(breed, 0.95) * rng.uniform(0.92, 1.08)
    chest = rng.uniform(0.17, 0.21)
    back = legs + 0.8 * chest
    spine = np.array([(-0.55, 0, back), (-0.15, 0, back + 0.03), (0.25, 0, back - 0.03), (0.55, 0, back)])
    spine[:, 0] *= length
    thick = s.smooth([0.10, 0.125, chest, 0.12], 12)
    body.add(s.tube(s.smooth(spine, 12), thick, flatten=rng.uniform(0.8, 0.95)), coat)
    body.add(s.ellipsoid((-0.47 * length, 0, back), (0.16, 0.13, 0.15)), coat, 0.6)
    four_legs(body, 1.1 * length, 0.11, legs, rng.uniform(0.032, 0.042), coat, rng, paw=1.4)

    lift = rng.uniform(0.22, 0.34)
    neck, head = np.array((0.5 * length, 0, back + 0.02)), np.array((0.5 * length + 0.2, 0, back + lift))
    body.add(s.tube([neck, head], [0.13, 0.08]), coat)
    size = rng.uniform(0.11, 0.13)
    body.add(s.ellipsoid(head, (1.15 * size, 0.9 * size, size)), coat, 1.3)
    muzzle = head + (size * rng.uniform(2.3, 2.9), 0, -0.55 * size)
    body.add(s.tube([head + (0.5 * size, 0, -0.15 * size), muzzle], [0.62 * size, 0.38 * size]), dark, 1.3)
    body.add(s.ellipsoid(muzzle + (0.1 * size, 0, 0.2 * size), np.full(3, 0.2 * size)), (20, 18, 18))
    if breed == "shepherd" or (breed == "terrier" and rng.random() < 0.6):
        pointed_ears(body, head + (-0.3 * size, 0, 0.7 * size), 1.3 * size, 0.55 * size, dark)
    else:
        hanging_ears(body, head + (-0.25 * size, 0, 0.6 * size), 1.7 * size, 0.7 * size, dark)

    root, reach = np.array((-0.6 * length, 0, back + 0.04)), rng.uniform(0.25, 0.42)
    curl = rng.uniform(0.0, 0.8)
    tail = [root, root + (-0.55 * reach, 0, 0.35 * reach), root + ((curl - 0.8) * reach, 0, reach)]
    body.add(s.tube(s.smooth(tail, 10), np.linspace(0.045, 0.02, 10)), coat, 1.4)


def cat_head(body: Body, head: ArrayLike, size: float, coat: Color) -> None:
    """A round head with a short muzzle and large pointed ears."""
    head = np.asarray(head, float)
    body.add(s.ellipsoid(head, (0.95 * size, 1.05 * size, 0.95 * size)), coat, 1.3)
    muzzle = (0.35 * size, 0.45 * size, 0.3 * size)
    body.add(s.ellipsoid(head + (0.85 * size, 0, -0.25 * size), muzzle), (235, 225, 215))
    body.add(s.ellipsoid(head + (1.18 * size, 0, -0.12 * size), np.full(3, 0.1 * size)), (200, 120, 120))
    pointed_ears(body, head + (-0.05 * size, 0, 0.65 * size), 1.05 * size, 0.58 * size, coat)


def cat(body: Body, rng: Rng) -> None:
    """Walking cat with a long upcurved tail, or (one in three) sitting with the tail laid about it."""
    coat = pick(rng, [(70, 65, 60), (205, 130, 60), (130, 120, 110), (235, 230, 225), (40, 38, 40), (165, 140, 110)])
    size = rng.uniform(0.12, 0.145)
    if rng.random() < 0.33:
        trunk = [(-0.18, 0, 0.17), (-0.05, 0, 0.3), (0.06, 0, 0.55), (0.1, 0, 0.68)]
        body.add(s.tube(s.smooth(trunk, 12), s.smooth([0.17, 0.21, 0.12, 0.08], 12)), coat)
        for side in (1, -1):
            body.add(s.ellipsoid((-0.06, 0.16 * side, 0.15), (0.2, 0.07, 0.15)), coat)
            body.add(s.ellipsoid((0.1, 0.16 * side, 0.03), (0.13, 0.05, 0.035)), coat)
            leg(body, (0.1, 0.07 * side, 0.5), (0.17, 0.075 * side, 0), 0.032, coat)
        cat_head(body, (0.15, 0, 0.76 + 0.02 * rng.random()), size, coat)
        side = pick(rng, (-1, 1))
        path = [(-0.28, 0, 0.08), (-0.45, 0.12 * side, 0.04), (-0.3, 0.32 * side, 0.035), (0.05, 0.32 * side, 0.035)]
        body.add(s.tube(s.smooth(path, 14), np.linspace(0.04, 0.025, 14)), coat, 1.5)
        return
    legs, length = rng.uniform(0.27, 0.33), rng.uniform(0.75, 0.9)
    back = legs + 0.09
    spine = np.array([(-0.5, 0, back), (-0.1, 0, back + 0.03), (0.3, 0, back), (0.5, 0, back + 0.03)])
    spine[:, 0] *= length
    body.add(s.tube(s.smooth(spine, 12), s.smooth([0.1, 0.125, 0.12, 0.085], 12)), coat)
    four_legs(body, length, 0.08, legs, rng.uniform(0.024, 0.03), coat, rng, paw=1.5)
    head = np.array((0.5 * length + 0.12, 0, back + rng.uniform(0.08, 0.18)))
    body.add(s.tube(np.array([(0.45 * length, 0, back + 0.02), head]), [0.095, 0.08]), coat, 0.6)
    cat_head(body, head, size, coat)
    root, reach, end = np.array((-0.52 * length, 0, back + 0.03)), rng.uniform(0.4, 0.55), rng.uniform(-0.4, 0.25)
    tail = root + reach * np.array([(0, 0, 0), (-0.4, 0, 0.15), (-0.5, 0, 0.7), (end - 0.45, 0, 1)])
    body.add(s.tube(s.smooth(tail, 16), np.linspace(0.032, 0.022, 16)), coat, 1.7)


def patches(body: Body, center: np.ndarray, radii: np.ndarray, color: Color, count: int, rng: Rng) -> None:
    """Flat spots of another colour on an ellipsoid's upper sides."""
    for _ in range(count):
        out = rng.normal(size=3) * (0.7, 1.0, 0.5)
        out = out / np.linalg.norm(out)
        body.add(s.ellipsoid(center + out * radii * 0.93, radii * rng.uniform(0.2, 0.38)), color, 0.8)


def cow(body: Body, rng: Rng) -> None:
    """Holstein, brown or bull-like: barrel trunk, large hung head, horns, udder, tail hanging down with a tuft."""
    pale, black = (235, 232, 228), (30, 28, 28)
    coat, spot = pick(rng, [(pale, black), (black, pale), ((140, 80, 45), (120, 66, 38))], p=[0.5, 0.2, 0.3])
    legs, half = rng.uniform(0.4, 0.5), rng.uniform(0.6, 0.7)
    wide, deep = rng.uniform(0.25, 0.3), rng.uniform(0.29, 0.34)
    back = legs + 0.75 * deep
    middle = np.array((0, 0, back))
    body.add(s.ellipsoid(middle, (half, wide, deep)), coat)
    body.add(s.ellipsoid(middle + (0.62 * half, 0, 0.01), (0.3, 0.85 * wide, 0.9 * deep)), coat, 0.6)
    body.add(s.ellipsoid(middle + (-0.68 * half, 0, 0.04), (0.27, 0.9 * wide, 0.8 * deep)), coat, 0.6)
    patches(body, middle, np.array((half, wide, deep)), spot, int(rng.integers(4, 8)), rng)
    four_legs(body, 1.6 * half, 0.62 * wide, legs, rng.uniform(0.045, 0.055), coat, rng, paw=1.2)

    head = np.array((half + rng.uniform(0.34, 0.42), 0, back + rng.uniform(-0.1, 0.22)))
    neck = np.array((0.75 * half, 0, back + 0.08))
    body.add(s.tube([neck, 0.5 * (neck + head) + (0, 0, 0.04), head], [0.24, 0.19, 0.13], flatten=0.75), coat)
    nose = head + (0.27, 0, -0.22)
    body.add(s.tube([head + (-0.06, 0, 0.05), 0.5 * (head + nose), nose], [0.145, 0.125, 0.095]), spot, 1.3)
    body.add(s.ellipsoid(nose, (0.07, 0.1, 0.085)), (200, 150, 140))
    hanging_ears(body, head + (-0.04, 0, 0.06), 0.17, 0.12, spot, out=1.0)
    spread, rise = rng.uniform(0.12, 0.2), rng.uniform(0.14, 0.24)
    for side in (1, -1):
        root = head + (-0.05, 0.07 * side, 0.13)
        horn = [root, root + (0.01, spread * side, 0.25 * rise), root + (0.05, 0.9 * spread * side, rise)]
        body.add(s.tube(s.smooth(horn, 8), np.linspace(0.035, 0.01, 8)), HORN, 1.8)
    if rng.random() < 0.8:
        body.add(s.ellipsoid((-0.45 * half, 0, back - deep - 0.01), (0.15, 0.12, 0.1)), (230, 175, 165), 1.2)
        for x, y in ((-0.06, 0.05), (-0.06, -0.05), (0.05, 0.05), (0.05, -0.05)):
            body.add(s.ellipsoid((x - 0.45 * half, y, back - deep - 0.11), (0.016, 0.016, 0.035)), (225, 160, 150))
    end = np.array((-half - 0.14, rng.uniform(-0.05, 0.05), 0.28))
    tail = np.array([(-0.93 * half, 0, back + 0.55 * deep), (-half - 0.07, 0, back + 0.3 * deep), end])
    body.add(s.tube(s.smooth(tail, 10), np.linspace(0.026, 0.015, 10)), coat, 1.6)
    body.add(s.ellipsoid(end - (0, 0, 0.06), (0.035, 0.035, 0.1)), spot)


def sheep(body: Body, rng: Rng) -> None:
    """Ewe or horned ram: thick bumpy fleece, small dark (or pale) head, short thin legs, stubby tail."""
    fleece = pick(rng, [(238, 232, 218), (225, 215, 195), (245, 243, 238), (90, 78, 68)])
    skin = pick(rng, [(35, 32, 32), (35, 32, 32), (70, 58, 50), (220, 200, 180)])
    legs, half = rng.uniform(0.26, 0.34), rng.uniform(0.43, 0.5)
    wide, deep = rng.uniform(0.27, 0.32), rng.uniform(0.28, 0.33)
    back = legs + 0.75 * deep
    middle, radii = np.array((0, 0, back)), np.array((half, wide, deep))
    # Tufts at even steps of a spiral over the trunk; the trunk itself lies hidden under them.
    count = 60
    height = 1 - 2 * (np.arange(count) + 0.5) / count
    around = np.arange(count) * np.pi * (3 - 5**0.5) + rng.uniform(0, 2 * np.pi)
    ring = np.sqrt(1 - height**2)
    for unit in np.stack([height, ring * np.cos(around), ring * np.sin(around)], axis=1):
        body.add(s.ellipsoid(middle + unit * radii * 0.88, rng.uniform(0.075, 0.11, 3)), fleece, 0.4)
    four_legs(body, 1.25 * half, 0.55 * wide, legs, rng.uniform(0.024, 0.032), skin, rng, paw=1.3)

    head = np.array((half + rng.uniform(0.13, 0.18), 0, back + rng.uniform(0.14, 0.26)))
    for t in (0.0, 0.5):
        center = (1 - t) * np.array((0.75 * half, 0, back + 0.1)) + t * head
        body.add(s.ellipsoid(center, (0.16, 0.15, 0.15)), fleece, 0.7)
    nose = head + (0.19, 0, -0.14)
    body.add(s.tube([head + (-0.05, 0, 0.02), 0.5 * (head + nose), nose], [0.09, 0.085, 0.05]), skin, 1.5)
    body.add(s.ellipsoid(head + (-0.07, 0, 0.08), (0.09, 0.095, 0.07)), fleece)
    hanging_ears(body, head + (-0.02, 0, 0.03), 0.13, 0.07, skin, out=0.9)
    if rng.random() < 0.25:
        turn = np.linspace(0.5 * np.pi, 2.2 * np.pi, 14)
        for side in (1, -1):
            curl = [0.09 * np.cos(turn) - 0.05, side * np.linspace(0.08, 0.2, 14), 0.09 * np.sin(turn)]
            body.add(s.tube(head + np.stack(curl, axis=1), np.linspace(0.038, 0.01, 14)), HORN, 1.4)
    body.add(s.ellipsoid((-half - 0.05, 0, back + 0.02), (0.06, 0.055, 0.12)), fleece, 1.3)


def bird_legs(body: Body, x: float, y: float, height: float, radius: float, color: Color) -> None:
    """Two thin legs, each on three toes forward and one back."""
    for side in (y, -y):
        body.add(s.tube([(x, side, height), (x + 0.03 * height, side, 0.03)], radius), color, 2.2)
        for turn in (-35, 0, 35, 180):
            reach = (0.3 if turn != 180 else 0.2) * height + 0.05
            toe = (x + reach * np.cos(np.radians(turn)), side + reach * np.sin(np.radians(turn)), 0.01)
            body.add(s.tube([(x + 0.03 * height, side, 0.03), toe], [radius, 0.5 * radius]), color, 2.2)


def feathers(body: Body, root: np.ndarray, length: float, angles: ArrayLike, color: Color, *, fan: float) -> None:
    """Tail blades from `root` that run backward, raised by each of `angles` degrees; `fan` spreads them sideways."""
    for k, angle in enumerate(np.radians(angles)):
        aside = fan * length * ((k % 3) - 1)
        out = np.array((-np.cos(angle), 0, np.sin(angle))) * length
        bow = np.array((-0.25 * length, 0, 0.0)) * np.sin(angle)
        path = s.smooth([root, root + 0.6 * out + bow * 0.5 + (0, 0.5 * aside, 0), root + out + bow + (0, aside, 0)], 8)
        body.add(s.tube(path, np.array([0.6, 1, 1.1, 1.1, 1, 0.8, 0.5, 0.1]) * 0.07, flatten=0.3), color, 1.2)


def chicken(body: Body, rng: Rng) -> None:
    """Hen, or rooster with a big comb and arched tail: plump, upright tail, wattles, two thin legs with toes."""
    rooster = rng.random() < 0.4
    coat = pick(rng, [(240, 236, 228), (150, 80, 40), (60, 45, 40), (200, 140, 70), (120, 110, 105)])
    tail = pick(rng, [(30, 50, 45), coat, (40, 35, 35)]) if rooster else coat
    legs = rng.uniform(0.26, 0.34)
    middle = np.array((0, 0, legs + 0.24))
    tilt = s.rotation(pitch=rng.uniform(5, 20))
    body.add(s.ellipsoid(middle, (0.4, 0.25, 0.28), tilt), coat)
    body.add(s.ellipsoid(middle + (0.2, 0, -0.02), (0.22, 0.2, 0.24)), coat, 0.6)
    for side in (1, -1):
        wing = s.shade(coat, 0.8)
        body.add(s.ellipsoid(middle + (-0.05, 0.225 * side, 0.04), (0.27, 0.06, 0.15), tilt), wing)
    head = np.array((0.36, 0, legs + rng.uniform(0.62, 0.76)))
    neck = [middle + (0.2, 0, 0.05), middle + (0.3, 0, 0.25), head]
    body.add(s.tube(s.smooth(neck, 8), np.linspace(0.2, 0.085, 8)), coat)
    body.add(s.ellipsoid(head, (0.1, 0.085, 0.09)), coat, 1.3)
    body.add(s.tube([head + (0.07, 0, 0), head + (0.2, 0, -0.03)], [0.042, 0.005]), BEAK, 2)
    comb = 1.5 if rooster else 0.9
    for x, high in ((-0.06, 0.7), (-0.015, 1.0), (0.03, 0.9), (0.07, 0.6)):
        body.add(s.ellipsoid(head + (x, 0, 0.085), (0.03, 0.013, 0.075 * comb * high)), COMB, 1.8)
    for side in (1, -1):
        body.add(s.ellipsoid(head + (0.09, 0.025 * side, -0.085), (0.025, 0.015, 0.05 * comb)), COMB, 1.8)
    root = middle + (-0.3, 0, 0.12)
    length = rng.uniform(0.48, 0.6) if rooster else rng.uniform(0.3, 0.4)
    feathers(body, root, length, np.linspace(15 if rooster else 30, 80, 9), tail, fan=0.22)
    bird_legs(body, 0.0, 0.11, legs + 0.04, 0.02, BEAK)


def bird(body: Body, rng: Rng) -> None:
    """Standing songbird, wings closed and tail flat; or (two in five) flying with spread wings."""
    coat = pick(rng, [(60, 100, 170), (130, 95, 65), (45, 45, 50), (190, 70, 50), (200, 180, 60), (120, 125, 130)])
    belly = pick(rng, [(235, 225, 205), (220, 140, 90), (200, 195, 190)])
    dark = s.shade(coat, 0.7)
    beak = pick(rng, [BEAK, (50, 48, 48)])
    flying = rng.random() < 0.4
    turn = s.rotation(pitch=rng.uniform(-5, 12) if flying else rng.uniform(15, 40))
    middle = np.array((0, 0, 0.42))

    def at(x: float, y: float, z: float) -> np.ndarray:
        return middle + turn @ np.array((x, y, z), float)

    body.add(s.ellipsoid(middle, (0.34, 0.17, 0.17), turn), coat)
    body.add(s.ellipsoid(at(0.06, 0, -0.04), (0.26, 0.16, 0.155), turn), belly, 0.7)
    head = at(0.32, 0, 0.08) + (0, 0, 0.03)
    body.add(s.ellipsoid(head, (0.13, 0.12, 0.12)), coat, 1.3)
    bill = rng.uniform(0.09, 0.16)
    body.add(s.tube([head + (0.1, 0, -0.01), head + (0.12 + bill, 0, -0.03)], [0.04, 0.004]), beak, 2)
    long, spread = rng.uniform(0.4, 0.62), rng.uniform(0.06, 0.14) * (1.6 if flying else 1.0)
    for y in np.linspace(-spread, spread, 5):
        body.add(s.tube([at(-0.25, 0.2 * y, 0), at(-0.3 - long, y, 0.01)], [0.035, 0.03], flatten=0.3), dark, 1.3)
    if not flying:
        for side in (1, -1):
            path = [at(0.17, 0.15 * side, 0.05), at(-0.1, 0.175 * side, 0.05), at(-0.5, 0.06 * side, 0.05)]
            body.add(s.tube(s.smooth(path, 10), np.sin(np.linspace(0.3, 3.1, 10)) * 0.1 + 0.005, flatten=0.35), dark)
        # The body hangs at the height that its legs reach; lower tail tips may pass below them, as on a twig.
        bird_legs(body, 0.0, 0.08, 0.34, 0.014, beak)
        return
    span, lift, sweep = rng.uniform(0.75, 0.95), np.radians(rng.uniform(-15, 40)), rng.uniform(0.05, 0.35)
    along, across = np.linspace(0, 1, 12)[:, None], np.linspace(0, 1, 6)[None, :]
    front = 0.2 + 0.1 * np.sin(np.pi * along) - sweep * along**2
    chord = 0.36 * (1 - along**3) + 0.03
    for side in (1, -1):
        x, y = front - chord * across, 0.1 + span * along * np.cos(lift)
        z = span * along * np.sin(lift) + 0.05 * np.sin(np.pi * across) + 0.06
        sheet = np.stack(np.broadcast_arrays(x, side * y, z), axis=-1)
        body.add(s.grid(sheet @ turn.T + middle), coat, 1.2)


def frog(body: Body, rng: Rng) -> None:
    """Sitting frog: squat body raised in front, bulging eyes, folded hind legs with long feet."""
    skin = pick(rng, [(80, 140, 50), (110, 120, 60), (60, 150, 70), (130, 100, 60)])
    rise = s.rotation(pitch=rng.uniform(20, 35))
    body.add(s.ellipsoid((-0.05, 0, 0.3), (0.42, rng.uniform(0.25, 0.3), 0.2), rise), skin)
    body.add(s.ellipsoid((0.3, 0, 0.47), (0.2, 0.23, 0.12)), skin)
    for side in (1, -1):
        body.add(s.ellipsoid((0.26, 0.13 * side, 0.59), np.full(3, 0.07)), (40, 40, 30), 1.3)
        thigh = [(-0.28, 0.2 * side, 0.17), (0.08, 0.4 * side, 0.24), (-0.32, 0.38 * side, 0.05)]
        body.add(s.tube(thigh, [0.12, 0.1, 0.05]), skin)
        foot = np.array((-0.3, 0.4 * side, 0.03))
        arm = [(0.22, 0.2 * side, 0.35), (0.2, 0.33 * side, 0.2), (0.28, 0.27 * side, 0.03)]
        body.add(s.tube(arm, [0.07, 0.05, 0.035]), skin)
        for turn in (-25, 5, 35):
            out = np.array((np.cos(np.radians(turn * side)), np.sin(np.radians(turn * side)), 0))
            body.add(s.tube([foot, foot + 0.42 * out], [0.035, 0.02], flatten=0.6), skin)
            body.add(s.tube(np.array([arm[2], arm[2] + 0.18 * out]), [0.03, 0.015], flatten=0.6), skin)


def person(body: Body, rng: Rng) -> None:
    """Adult standing upright, arms hanging or a little spread, facing +x."""
    skin = pick(rng, [(224, 180, 150), (150, 100, 70), (95, 62, 45)])
    red, green, blue = (int(c) for c in rng.integers(40, 230, 3))
    shirt = (red, green, blue)
    trousers = pick(rng, [(50, 60, 90), (40, 40, 42), (120, 105, 85)])
    spread, stance = rng.uniform(0.08, 0.3), rng.uniform(0.09, 0.14)
    trunk = [(0, 0, 0.9), (0, 0, 1.1), (0, 0, 1.35), (0, 0, 1.46)]
    body.add(s.tube(s.smooth(trunk, 10), s.smooth([0.17, 0.15, 0.2, 0.1], 10), flatten=0.6), shirt)
    body.add(s.tube([(0, 0, 1.42), (0.01, 0, 1.56)], 0.055), skin)
    body.add(s.ellipsoid((0.02, 0, 1.66), (0.1, 0.08, 0.125)), skin, 1.3)
    body.add(s.ellipsoid((0, 0, 1.7), (0.105, 0.085, 0.11)), (50, 35, 25), 0.7)
    body.add(s.ellipsoid((0.125, 0, 1.645), (0.025, 0.015, 0.02)), skin)
    for side in (1, -1):
        step = rng.uniform(-0.1, 0.1)
        limb = [(0, 0.09 * side, 0.92), (step / 2 + 0.02, stance * side, 0.5), (step, stance * side, 0.06)]
        body.add(s.tube(limb, [0.1, 0.065, 0.045]), trousers)
        body.add(s.ellipsoid((step + 0.06, stance * side, 0.04), (0.13, 0.048, 0.045)), (40, 30, 25))
        elbow = np.array((-step / 2, (0.23 + 0.6 * spread) * side, 1.13))
        hand = np.array((0.05 - step, (0.23 + spread) * side, 0.88))
        body.add(s.tube(np.array([(0, 0.19 * side, 1.41), elbow, hand]), [0.055, 0.045, 0.033]), shirt)
        body.add(s.ellipsoid(hand - (0, 0, 0.07), (0.045, 0.025, 0.085)), skin)


SHAPES = {f.__name__: f for f in (dog, cat, cow, sheep, chicken, bird, frog, person)}
