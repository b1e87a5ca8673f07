//! The input images of the cases: two images of the corpus, images that are made from these two, and
//! generated animations.
//!
//! pixaven's encoders write the images with common settings. JPEG has quality 89, the highest quality at
//! which pixaven's encoder uses the chroma subsampling 4:2:0 of most cameras. PNG has the compression effort
//! that is libpng's default. The image of 12 megapixels is an enlarged photograph of the corpus. The tool
//! adds grain like that of a camera sensor, because an enlarged image without grain is too smooth.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use pixaven_imaging::plan::{
    Filter, Format, Gravity, Kernel, Light, Output, Plan, Resize, ResizeMode, TargetFormat,
};
use pixaven_imaging::{Channels, Image, Limits, Scratch, encode_animation, process};
use tempfile::TempDir;

/// The strength of the added grain in percent. This strength changes a sample by about 3 of 255 levels.
const GRAIN: f32 = 6.0;

/// The display time of each frame of a generated animation, in milliseconds.
const DELAY_MS: u32 = 40;

/// An input image of the measured cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Input {
    /// 4000×3000, baseline JPEG.
    Photo12Mp,
    /// 4000×3000, progressive JPEG.
    Progressive12Mp,
    /// 2725×2225, baseline JPEG: the photograph that the benchmark of sharp uses.
    Photo6Mp,
    /// 1200×800, baseline JPEG.
    Photo1Mp,
    /// 2048×1536, PNG with alpha: an image that the benchmark of sharp uses.
    PngAlpha,
    /// 2725×2225, PNG: the same photograph as in [`Self::Photo6Mp`].
    PngPhoto,
    /// 480×320, GIF of 50 frames: a camera moves over a generated landscape.
    Gif50,
    /// 800×600, GIF of 200 frames, the largest number of frames that the API's default limits allow.
    Gif200,
}

/// A directory of input images. An image is created when a case needs it for the first time.
pub(super) struct Inputs {
    corpus: PathBuf,
    dir: TempDir,
    files: HashMap<Input, PathBuf>,
}

impl Inputs {
    pub(super) fn new(corpus: PathBuf) -> anyhow::Result<Self> {
        let dir = TempDir::with_prefix("pixaven-images-").context("no temporary directory")?;
        Ok(Self { corpus, dir, files: HashMap::new() })
    }

    /// Returns the path of an input image, and creates the file if it does not exist.
    pub(super) fn file(&mut self, input: Input) -> anyhow::Result<PathBuf> {
        if let Some(path) = self.files.get(&input) {
            return Ok(path.clone());
        }
        let path = match input {
            Input::Photo6Mp => self.corpus_file("jpeg", "2569067123_aca715a2ee_o.jpg")?,
            Input::PngAlpha => self.corpus_file("png", "alpha-premultiply-2048x1536-paper.png")?,
            _ => {
                let path = self.dir.path().join(format!("{input:?}"));
                let bytes = self.make(input)?;
                fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
                path
            }
        };
        self.files.insert(input, path.clone());
        Ok(path)
    }

    /// Returns the path of the file in the corpus whose name ends with `name`.
    fn corpus_file(&self, format: &str, name: &str) -> anyhow::Result<PathBuf> {
        let dir = self.corpus.join("gold").join(format);
        let entries =
            fs::read_dir(&dir).with_context(|| format!("no corpus at {}", self.corpus.display()))?;
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        paths
            .into_iter()
            .find(|path| path.to_str().is_some_and(|path| path.ends_with(name)))
            .with_context(|| format!("no {name} in {}", dir.display()))
    }

    fn make(&mut self, input: Input) -> anyhow::Result<Vec<u8>> {
        let jpeg = Output {
            format: TargetFormat::Format(Format::Jpeg),
            quality: Some(89),
            baseline: true,
            ..Output::default()
        };
        let png = Output { format: TargetFormat::Format(Format::Png), effort: Some(6), ..Output::default() };
        match input {
            Input::Photo12Mp => self.photo(Some((4000, 3000)), Some(GRAIN), jpeg),
            Input::Progressive12Mp => {
                let progressive = Output { baseline: false, ..jpeg };
                self.photo(Some((4000, 3000)), Some(GRAIN), progressive)
            }
            Input::Photo1Mp => self.photo(Some((1200, 800)), None, jpeg),
            Input::PngPhoto => self.photo(None, None, png),
            Input::Gif50 => animation(480, 320, 50),
            Input::Gif200 => animation(800, 600, 200),
            Input::Photo6Mp | Input::PngAlpha => fs::read(self.file(input)?).context("the corpus is gone"),
        }
    }

    /// Processes the photograph of the corpus: resizes the photograph if `size` is given, and adds grain if
    /// `grain` is given.
    fn photo(
        &mut self,
        size: Option<(u32, u32)>,
        grain: Option<f32>,
        output: Output,
    ) -> anyhow::Result<Vec<u8>> {
        let photo = read(&self.file(Input::Photo6Mp)?)?;
        let resize = size.map(|(width, height)| Resize {
            mode: ResizeMode::Fit,
            width: Some(width),
            height: Some(height),
            gravity: Gravity::Center,
            upscale: true,
            background: None,
            kernel: Kernel::Lanczos3,
            light: Light::Srgb,
        });
        let plan = Plan {
            resize,
            filter: Some(Filter { noise: grain, ..Filter::default() }),
            output,
            ..Plan::default()
        };
        Ok(process(&photo, &plan, &Limits::default(), &mut Scratch::default())?.bytes)
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Creates a GIF animation. From frame to frame, its content moves by three columns, and in every second
/// frame also by one row.
fn animation(width: u32, height: u32, n_frames: u32) -> anyhow::Result<Vec<u8>> {
    let (n_columns, n_rows) = (width + n_frames * 3, height + n_frames / 2);
    let landscape =
        Image::new(n_columns, n_rows, Channels::Rgb, pixaven_sample::landscape(n_columns, n_rows, 5));
    let frames = (0..n_frames).map(|i| (part(&landscape, i * 3, i / 2, width, height), DELAY_MS));
    Ok(encode_animation(frames, n_frames, Format::Gif, &Output::default())?)
}

/// Copies a rectangle of an RGB image.
fn part(image: &Image, left: u32, top: u32, width: u32, height: u32) -> Image {
    let stride = image.width() as usize * 3;
    let (start, end) = (left as usize * 3, (left + width) as usize * 3);
    let rows = image.data().chunks_exact(stride).skip(top as usize).take(height as usize);
    Image::new(width, height, Channels::Rgb, rows.flat_map(|row| &row[start..end]).copied().collect())
}
