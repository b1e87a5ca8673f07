"""Opens the files of `tests/it/second_decoders.rs` with independent decoders: Pillow for images, ffprobe and ffmpeg for
videos. The argument is a directory with `manifest.json`, which lists the files and their expected properties. Prints one
line per file. The exit code is 1 if any file differs from its expected properties."""

import json
import math
import pathlib
import subprocess
import sys

from PIL import Image, ImageChops, ImageStat

VIDEOS = ("mp4", "webm")
# Lossy encoders at their default quality stay well above this value. A wrong colour matrix, range or channel order gives
# a value well below.
MIN_PSNR_DB = 25.0


def open_plugins():
    """Registers the formats that Pillow supports only by plugins."""
    import pillow_heif
    import pillow_jxl  # noqa: F401: the import registers the plugin

    pillow_heif.register_heif_opener()


def psnr_db(image, reference):
    white = Image.new("RGBA", reference.size, (255, 255, 255, 255))
    white.alpha_composite(reference)
    # An encoder may have repeated the last column or row of a video.
    image = image.convert("RGB").crop((0, 0, *reference.size))
    squares = ImageStat.Stat(ImageChops.difference(image, white.convert("RGB"))).sum2
    mean = sum(squares) / (3 * reference.width * reference.height)
    return math.inf if mean == 0 else 10 * math.log10(255**2 / mean)


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def read_image(path):
    with Image.open(path) as image:
        frames = getattr(image, "n_frames", 1)
        first = image.convert("RGBA")
        times = []
        if frames > 1:
            for i in range(frames):
                image.seek(i)
                image.load()
                times.append(round(image.info["duration"]))
        on_white = Image.new("RGBA", first.size, (255, 255, 255, 255))
        on_white.alpha_composite(first)
        return image.size, frames, times, on_white


def read_video(path):
    entries = "stream=width,height,nb_read_frames,pix_fmt,color_range:packet=pts_time:format=duration"
    report = json.loads(
        run("ffprobe", "-v", "error", "-count_frames", "-show_packets", "-show_entries", entries, "-of", "json", path)
    )
    stream = report["streams"][0]
    assert stream["pix_fmt"] == "yuv420p" and stream["color_range"] == "tv", stream
    starts = [float(packet["pts_time"]) for packet in report["packets"]]
    ends = starts[1:] + [float(report["format"]["duration"])]
    times = [round(1000 * (end - start)) for start, end in zip(starts, ends)]
    first_frame = path.with_suffix(".frame.png")
    run("ffmpeg", "-v", "error", "-y", "-i", path, "-frames:v", "1", first_frame)
    with Image.open(first_frame) as image:
        first = image.convert("RGBA")
    return (stream["width"], stream["height"]), int(stream["nb_read_frames"]), times, first


def main(folder):
    open_plugins()
    n_wrong = 0
    for expected in json.loads((folder / "manifest.json").read_text()):
        path = folder / expected["file"]
        read = read_video if path.suffix[1:] in VIDEOS else read_image
        try:
            size, frames, times, first = read(path)
            with Image.open(folder / expected["reference"]) as reference:
                db = psnr_db(first, reference.convert("RGBA"))
            faults = []
            if list(size) != expected["size"]:
                faults.append(f"size {size}, not {expected['size']}")
            if frames != expected["frames"]:
                faults.append(f"{frames} frames, not {expected['frames']}")
            if frames > 1 and times != expected["times"]:
                faults.append(f"times {times}, not {expected['times']}")
            if db < MIN_PSNR_DB:
                faults.append(f"{db:.1f} dB")
            result = "; ".join(faults) or f"as expected, {db:.1f} dB"
        except Exception as error:  # Any exception means that the file did not open.
            faults = result = f"{type(error).__name__}: {error}"
        n_wrong += bool(faults)
        print(f"{expected['file']:24} {result}")
    return 1 if n_wrong else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
