"""Opens what `tests/it/second_decoders.rs` wrote, with decoders that are none of ours: Pillow for pictures, ffprobe and
ffmpeg for videos. The argument is a directory with `manifest.json`: a list of files with what our facts say of them.
Prints a line for each; ends with 1 when one is other than we claim."""

import json
import math
import pathlib
import subprocess
import sys

from PIL import Image, ImageChops, ImageStat

VIDEOS = ("mp4", "webm")
# Lossy coders at their default quality stay well above; a wrong matrix, range or order of channels stays well below.
MIN_PSNR_DB = 25.0


def open_plugins():
    """Formats that Pillow has by plugins only."""
    import pillow_heif
    import pillow_jxl  # noqa: F401: registers itself

    pillow_heif.register_heif_opener()


def psnr_db(image, reference):
    white = Image.new("RGBA", reference.size, (255, 255, 255, 255))
    white.alpha_composite(reference)
    # A video may have repeated its last column or row.
    image = image.convert("RGB").crop((0, 0, *reference.size))
    squares = ImageStat.Stat(ImageChops.difference(image, white.convert("RGB"))).sum2
    mean = sum(squares) / (3 * reference.width * reference.height)
    return math.inf if mean == 0 else 10 * math.log10(255**2 / mean)


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def look_at_picture(path):
    with Image.open(path) as image:
        frames = getattr(image, "n_frames", 1)
        first = image.convert("RGBA")
        times = []
        if frames > 1:
            for i in range(frames):
                image.seek(i)
                image.load()
                times.append(round(image.info["duration"]))
        flat = Image.new("RGBA", first.size, (255, 255, 255, 255))
        flat.alpha_composite(first)
        return image.size, frames, times, flat


def look_at_video(path):
    entries = "stream=width,height,nb_read_frames,pix_fmt,color_range:packet=pts_time:format=duration"
    said = json.loads(
        run("ffprobe", "-v", "error", "-count_frames", "-show_packets", "-show_entries", entries, "-of", "json", path)
    )
    stream = said["streams"][0]
    assert stream["pix_fmt"] == "yuv420p" and stream["color_range"] == "tv", stream
    starts = [float(packet["pts_time"]) for packet in said["packets"]]
    ends = starts[1:] + [float(said["format"]["duration"])]
    times = [round(1000 * (end - start)) for start, end in zip(starts, ends)]
    picture = path.with_suffix(".frame.png")
    run("ffmpeg", "-v", "error", "-y", "-i", path, "-frames:v", "1", picture)
    with Image.open(picture) as image:
        first = image.convert("RGBA")
    return (stream["width"], stream["height"]), int(stream["nb_read_frames"]), times, first


def main(folder):
    open_plugins()
    wrong = 0
    for claim in json.loads((folder / "manifest.json").read_text()):
        path = folder / claim["file"]
        look = look_at_video if path.suffix[1:] in VIDEOS else look_at_picture
        try:
            size, frames, times, first = look(path)
            with Image.open(folder / claim["reference"]) as reference:
                db = psnr_db(first, reference.convert("RGBA"))
            faults = []
            if list(size) != claim["size"]:
                faults.append(f"size {size}, not {claim['size']}")
            if frames != claim["frames"]:
                faults.append(f"{frames} frames, not {claim['frames']}")
            if frames > 1 and times != claim["times"]:
                faults.append(f"times {times}, not {claim['times']}")
            if db < MIN_PSNR_DB:
                faults.append(f"{db:.1f} dB")
            verdict = "; ".join(faults) or f"as we say, {db:.1f} dB"
        except Exception as error:  # Whatever it is, the file did not open.
            faults = verdict = f"{type(error).__name__}: {error}"
        wrong += bool(faults)
        print(f"{claim['file']:24} {verdict}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
