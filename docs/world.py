"""Makes docs/world.png: frames of the demo world, each with the classes that it shows. `python docs/world.py`"""

from pathlib import Path

import torch

from sgen_ray.media.sheets import contact_sheet
from sgen_ray.world import Film, Scene, draw

WIDTH, AT = 192, 0.7
"""Of a frame, in pixels, and when it is drawn, in seconds."""
SCENES = (
    Scene("astronaut", "mars", "earth", "walking", "right", camera="follow", colour="white"),
    Scene("astronaut", "moon", "earth", "jumping", "right", camera="follow", colour="orange"),
    Scene("rocket", "mars", "earth", "rising", time="dusk", colour="red"),
    Scene("rocket", "snow", "none", "flying", "right", camera="follow", colour="blue"),
    Scene("person", "city", "none", "walking", "right", camera="follow", colour="red"),
    Scene("person", "snow", "none", "running", "left", weather="snow", camera="follow", colour="yellow"),
    Scene("dog", "meadow", "none", "running", "right", camera="follow", colour="orange"),
    Scene("dog", "city", "none", "walking", "left", weather="fog", camera="follow", colour="white"),
    Scene("cat", "forest", "none", "walking", "right", camera="follow", colour="black"),
    Scene("cat", "desert", "none", "standing", time="dusk", colour="orange"),
    Scene("horse", "mountains", "planet", "running", "right", camera="follow", colour="white"),
    Scene("horse", "meadow", "sun", "standing", time="dawn", colour="black"),
    Scene("bird", "ocean", "sun", "flying", "right", time="dusk", camera="follow", colour="red"),
    Scene("fish", "underwater", "none", "swimming", "left", camera="follow", colour="orange"),
    Scene("fish", "ocean", "none", "jumping", "right", time="night", camera="follow", colour="purple"),
    Scene("whale", "ocean", "planet", "swimming", "right", camera="follow", colour="blue"),
    Scene("whale", "underwater", "none", "swimming", "left", camera="follow", colour="green"),
    Scene("boat", "ocean", "sun", "sailing", "right", time="dusk", camera="follow", colour="red"),
    Scene("car", "city", "none", "driving", "left", time="night", weather="rain", camera="follow", colour="red"),
    Scene("car", "desert", "sun", "driving", "right", camera="follow", colour="green"),
    Scene("bus", "city", "sun", "driving", "right", camera="follow", colour="yellow"),
    Scene("bus", "forest", "none", "standing", weather="fog", colour="blue"),
    Scene("plane", "mountains", "sun", "flying", "right", camera="follow", colour="yellow"),
    Scene("plane", "city", "planet", "flying", "left", time="dusk", camera="follow", colour="white"),
    Scene("ball", "meadow", "sun", "bouncing", "right", colour="purple"),
    Scene("shoe", "studio", "none", "turning", colour="red"),
    Scene("shoe", "moon", "planet", "turning", colour="blue"),
    Scene("bottle", "studio", "none", "turning", colour="green"),
    Scene("watch", "studio", "none", "turning", time="night", colour="blue"),
    Scene("watch", "desert", "moon", "turning", colour="red"),
    Scene("vapour", "ocean", "sun", "rising"),
    Scene("cloud", "mountains", "none", "forming"),
    Scene("rain", "mountains", "none", "falling", weather="rain"),
    Scene("river", "meadow", "none", "flowing"),
    Scene("none", "snow", "moon", time="night"),
    Scene("none", "forest", time="dawn", weather="fog"),
)


def main() -> None:
    frames = draw([Film((scene,)) for scene in SCENES], torch.full((len(SCENES), 1), AT), 2 * WIDTH, WIDTH)[:, 0]
    pixels = (frames.permute(0, 2, 3, 1) * 255).round().byte().numpy()
    sheet = contact_sheet(pixels, [AT] * len(SCENES), [said(scene) for scene in SCENES], columns=6, cell_width=WIDTH)
    sheet.save(Path(__file__).with_suffix(".png"), optimize=True)


def said(scene: Scene) -> str:
    """What a frame shows beyond the commonest."""
    action = "" if scene.action in ("none", "standing") else f" {scene.action}"
    first = f"{scene.subject}{action}, {scene.place}" if scene.subject != "none" else scene.place
    plain = (("sky", "none"), ("time", "day"), ("weather", "clear"))
    more = (getattr(scene, name) for name, usual in plain if getattr(scene, name) != usual)
    return ", ".join([first, *(value for value in more if value not in first)])


if __name__ == "__main__":
    main()
