"""The classes the shipped model knows, and how large such things usually are."""

# name: typical longest extent in metres. A monocular camera cannot see scale, so a known size stands in for it.
SIZE_M = {
    "airplane": 35.0,
    "helicopter": 13.0,
    "car": 4.5,
    "train": 20.0,
    "dog": 0.9,
    "cat": 0.6,
    "cow": 2.4,
    "sheep": 1.3,
    "chicken": 0.45,
    "bird": 0.3,
    "guitar": 1.0,
    "violin": 0.6,
    "piano": 1.5,
    "saxophone": 0.7,
    "flute": 0.67,
    "drum": 0.5,
    "trombone": 1.2,
    "harp": 1.8,
    "bell": 0.25,
    "clock": 0.3,
    "keyboard": 0.45,
    "door": 2.1,
    "bottle": 0.25,
    "toilet": 0.75,
}

VOCABULARY = tuple(SIZE_M)

# Sounds heard in training as "something else": they teach the model what it does not know.
OUTSIDE_TRAIN = (
    "coughing",
    "clapping",
    "crying_baby",
    "fireworks",
    "hand_saw",
    "laughing",
    "mouse_click",
    "rain",
    "sea_waves",
)
# Sounds never met in training: they measure whether an unknown sound is recognised as unknown.
OUTSIDE_HELD_OUT = (
    "chainsaw",
    "glass_breaking",
    "lion",
    "pig",
    "siren",
    "snoring",
    "vacuum",
    "washing_machine",
    "wind",
)
# Classes never trained on in any modality, for zero-shot retrieval (paper, Table I, last row).
ZERO_SHOT = (
    "banjo",
    "cello",
    "clarinet",
    "double_bass",
    "french_horn",
    "frog",
    "bowl",
    "cup",
    "sink",
    "stairs",
    "person",
)
