"""A product demo in a brand's colour from a short script: each line is a shot, the same product in all of them."""

from __future__ import annotations

from pathlib import Path

from common import arguments, client_of, fetch, told

from sgen_ray.client import Shot

SCRIPT = """\
{product} turning on a stand in a studio
{product} turning on a stand in a studio, the camera moving closer
{product} standing in the city at night
"""


def main() -> None:
    parser = arguments(__doc__ or "", 12, "product.mp4")
    parser.add_argument(
        "script", nargs="?", type=Path, help="a text file, a shot a line, where {product} is the product"
    )
    parser.add_argument("--product", default="shoe")
    parser.add_argument("--colour", default="red")
    parser.add_argument("--picture", type=Path, help="of the product: what is recognised in it is shown")
    options = parser.parse_args()

    with client_of(options) as client:
        product = f"a {options.colour} {options.product}"
        if options.picture:
            kept = client.videos.character("product", picture=options.picture)
            print(f"the picture shows: {kept.description}")
            product = "the @product"
        text = options.script.read_text(encoding="utf-8") if options.script else SCRIPT
        lines = [line.strip().replace("{product}", product) for line in text.splitlines() if line.strip()]
        shots = [Shot(prompt=line, seconds=round(options.seconds / len(lines), 2)) for line in lines]
        video = client.videos.create_and_wait(shots=shots, on_event=told)
        fetch(client, video, options.output)
        client.videos.download(video.id, options.output.with_suffix(".jpg"), variant="thumbnail")


if __name__ == "__main__":
    main()
