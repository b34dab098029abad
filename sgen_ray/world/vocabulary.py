"""How people say what a shot shows. Each entry is a pair: wordings for training, wordings held out for testing."""

from __future__ import annotations

Wordings = tuple[tuple[str, ...], tuple[str, ...]]

NOUNS: dict[str, Wordings] = {
    "astronaut": (("astronaut", "spaceman", "cosmonaut"), ("space explorer",)),
    "person": (("person", "man", "pedestrian"), ("guy",)),
    "dog": (("dog", "puppy"), ("hound",)),
    "cat": (("cat", "kitten"), ("kitty",)),
    "horse": (("horse", "pony"), ("stallion",)),
    "bird": (("bird",), ("songbird",)),
    "fish": (("fish", "tropical fish"), ("clownfish",)),
    "whale": (("whale",), ("humpback whale",)),
    "car": (("car", "automobile"), ("motor car",)),
    "bus": (("bus", "school bus"), ("coach",)),
    "boat": (("boat", "sailboat", "sailing boat"), ("yacht",)),
    "plane": (("plane", "airplane", "aeroplane"), ("jet", "aircraft")),
    "rocket": (("rocket", "space rocket"), ("rocket ship", "spaceship")),
    "ball": (("ball", "rubber ball"), ("beach ball",)),
    "shoe": (("shoe", "sneaker"), ("trainer",)),
    "bottle": (("bottle", "glass bottle"), ("flask",)),
    "watch": (("watch", "wristwatch"), ("timepiece",)),
}
WATER: dict[str, Wordings] = {
    "vapour": (("water vapour", "vapour", "water vapor", "steam"), ("evaporating water",)),
    "cloud": (("a cloud", "a white cloud", "clouds"), ("cumulus clouds",)),
    "rain": (("rain", "heavy rain"), ("raindrops",)),
    "river": (("a river", "the river", "a blue river"), ("a stream",)),
}
PLURAL = ("clouds", "cumulus clouds", "raindrops")
EMPTY: dict[str, Wordings] = {
    "mars": (("Mars", "the surface of Mars", "a landscape on Mars"), ("the empty plains of Mars",)),
    "moon": (("the surface of the Moon", "a landscape on the Moon"), ("the lunar surface",)),
    "city": (("a city", "an empty city street", "a city skyline"), ("an empty town",)),
    "forest": (("a forest", "an empty forest", "the woods"), ("a quiet forest",)),
    "ocean": (("the ocean", "the open sea", "waves on the ocean"), ("the wide ocean",)),
    "underwater": (("an underwater scene", "the bottom of the sea"), ("the sea floor",)),
    "desert": (("a desert", "an empty desert", "sand dunes in the desert"), ("a sandy desert",)),
    "snow": (("a snowy landscape", "a snowy plain"), ("a winter landscape",)),
    "meadow": (("a meadow", "a green meadow", "a green field"), ("a flowery meadow",)),
    "mountains": (("mountains", "the mountains", "a mountain landscape"), ("a mountain range",)),
    "studio": (("an empty studio", "a studio"), ("an empty photo studio",)),
}
VERBS: dict[str, Wordings] = {
    "standing": (("standing/stands", "waiting/waits", "staying/stays"), ("resting/rests",)),
    "walking": (("walking/walks", "strolling/strolls", "wandering/wanders"), ("hiking/hikes",)),
    "running": (("running/runs", "racing/races"), ("sprinting/sprints", "dashing/dashes")),
    "driving": (("driving/drives", "rolling/rolls"), ("cruising/cruises",)),
    "flying": (("flying/flies", "soaring/soars"), ("gliding/glides",)),
    "swimming": (("swimming/swims",), ("drifting/drifts",)),
    "sailing": (("sailing/sails",), ("voyaging/voyages",)),
    "jumping": (("jumping/jumps", "leaping/leaps"), ("hopping/hops",)),
    "bouncing": (("bouncing/bounces",), ("bouncing up and down/bounces up and down",)),
    "turning": (("turning/turns", "rotating/rotates", "spinning/spins"), ("revolving/revolves",)),
    "rising": (("rising/rises", "going up/goes up"), ("ascending/ascends",)),
    "launching": (
        ("launching/launches", "taking off/takes off", "lifting off/lifts off"),
        ("blasting off/blasts off",),
    ),
    "forming": (("forming/forms", "growing/grows", "gathering/gathers"), ("building up/builds up",)),
    "falling": (("falling/falls", "pouring/pours"), ("coming down/comes down",)),
    "flowing": (("flowing/flows", "running/runs", "winding/winds"), ("streaming/streams",)),
}
PARKED: Wordings = (("standing/stands", "parked/is parked"), ("stopped/is stopped",))
ON_STAND: Wordings = (("on a stand", "on a pedestal", "slowly on a stand"), ("on a turntable", "on a plinth"))

IN: dict[str, Wordings] = {
    "mars": (("on Mars", "on the surface of Mars", "on planet Mars"), ("on the red planet",)),
    "moon": (("on the Moon", "on the surface of the Moon"), ("on the lunar surface",)),
    "city": (("in the city", "in a city", "on a city street", "in town"), ("downtown",)),
    "forest": (("in the forest", "in a forest", "in the woods"), ("among the trees",)),
    "ocean": (("on the ocean", "on the sea", "in the sea", "in the ocean"), ("in the open sea",)),
    "underwater": (("underwater", "under the sea", "under water"), ("below the waves", "deep in the sea")),
    "desert": (("in the desert", "in a desert", "in the sand dunes"), ("on the desert sand",)),
    "snow": (("in the snow", "in a snowy landscape", "on a snowy plain"), ("in a winter landscape",)),
    "meadow": (("in a meadow", "in the meadow", "in a green field"), ("on the grass",)),
    "mountains": (("in the mountains", "near the mountains"), ("at the foot of the mountains",)),
    "studio": (("in a studio", "in the studio", "in front of a plain backdrop"), ("in a photo studio",)),
}
THROUGH: dict[str, Wordings] = {
    "mars": (("across Mars", "over the surface of Mars"), ("across the red planet",)),
    "moon": (("across the Moon", "over the surface of the Moon"), ("across the lunar surface",)),
    "city": (("through the city", "down a city street", "through a city"), ("through downtown",)),
    "forest": (("through the forest", "through the woods"), ("between the trees",)),
    "ocean": (("across the ocean", "across the sea", "over the sea"), ("over the waves",)),
    "underwater": (("through the deep sea", "under the sea"), ("through the depths of the sea",)),
    "desert": (("through the desert", "across the desert"), ("across the desert sand",)),
    "snow": (("through the snow", "across a snowy plain"), ("through a winter landscape",)),
    "meadow": (("across a meadow", "through a green field", "across the meadow"), ("across the grass",)),
    "mountains": (("through the mountains", "past the mountains"), ("along the mountains",)),
    "studio": (("across the studio", "through a studio"), ("across a photo studio",)),
}
OVER: dict[str, Wordings] = {
    "mars": (("over Mars", "above the surface of Mars"), ("above the red planet",)),
    "moon": (("over the Moon", "above the surface of the Moon"), ("above the lunar surface",)),
    "city": (("over the city", "above a city"), ("above the rooftops of the city",)),
    "forest": (("over the forest", "above the woods"), ("above the trees",)),
    "ocean": (("over the sea", "above the ocean"), ("above the waves",)),
    "underwater": (("under the sea", "underwater"), ("below the waves",)),
    "desert": (("over the desert", "above the sand dunes"), ("above the desert sand",)),
    "snow": (("over the snow", "above a snowy plain"), ("above a winter landscape",)),
    "meadow": (("over a meadow", "above the green fields"), ("above the grass",)),
    "mountains": (("over the mountains", "above the mountains"), ("above the peaks",)),
    "studio": (("in a studio",), ("in a photo studio",)),
}
FROM: dict[str, Wordings] = {
    "ocean": (("from the sea", "from the ocean", "over the ocean"), ("from the waves",)),
}
RIVER: dict[str, Wordings] = {
    "meadow": (("through a meadow to the sea", "through the meadow back to the sea"), ("over the grass to the sea",)),
    "mountains": (("from the mountains to the sea", "from the mountains back to the ocean"), ("down the mountains",)),
    "forest": (("through the forest to the sea", "through the woods back to the sea"), ("between the trees",)),
}
DIRECTION: dict[str, Wordings] = {
    "left": (("left", "to the left", "towards the left"), ("leftwards", "from right to left")),
    "right": (("right", "to the right", "towards the right"), ("rightwards", "from left to right")),
}
TIME: dict[str, Wordings] = {
    "dawn": (("at dawn", "at sunrise", "in the early morning"), ("at daybreak",)),
    "day": (("during the day", "by day", "in daylight"), ("at noon",)),
    "dusk": (("at dusk", "at sunset", "in the evening"), ("at twilight",)),
    "night": (("at night", "by night", "in the dark"), ("at midnight",)),
}
WEATHER: dict[str, Wordings] = {
    "clear": (("under a clear sky", "in clear weather"), ("in fine weather",)),
    "rain": (("in the rain", "while it rains", "in rainy weather"), ("in a downpour",)),
    "snow": (("while it snows", "in falling snow", "during a snowfall"), ("in a snowstorm",)),
    "fog": (("in the fog", "in thick fog", "in foggy weather"), ("in the haze",)),
}
SKY: dict[str, Wordings] = {
    "sun": (("with the sun in the sky", "under the sun", "the sun shining"), ("in the sunshine",)),
    "moon": (("with the moon in the sky", "the moon shining above", "a crescent moon in the sky"), ("by moonlight",)),
    "earth": (("with the Earth in the sky", "the Earth visible in the sky", "with planet Earth above"),
              ("the blue Earth hanging above",)),
    "planet": (("with a ringed planet in the sky", "a planet with rings above", "Saturn in the sky"),
               ("a giant ringed planet hanging above",)),
}  # fmt: skip
CAMERA: dict[str, Wordings] = {
    "still": (("static camera", "the camera stays still"), ("fixed camera",)),
    "follow": (("the camera follows", "tracking shot"), ("the camera moves along",)),
    "pan left": (("the camera pans left", "camera panning left", "pan to the left"), ("panning to the left",)),
    "pan right": (("the camera pans right", "camera panning right", "pan to the right"), ("panning to the right",)),
    "zoom in": (("the camera zooms in", "slow zoom in", "zooming in"), ("the camera closes in",)),
}
OPENINGS: Wordings = (("a cartoon of", "a shot of", "a video of"), ("an animation of", "a clip of"))
GARMENT: dict[str, Wordings] = {
    "astronaut": (("in a {} suit", "in a {} spacesuit"), ("wearing a {} suit",)),
    "person": (("in a {} shirt", "in {}", "dressed in {}"), ("wearing a {} shirt",)),
}
LINKS = "a an the is are and of in on with then while it"
"""Words that sentences are held together with."""
