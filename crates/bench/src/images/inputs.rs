//! The pictures that the jobs are done on: two of the corpus, and what is made of them or painted.
//!
//! What is made here is made by our own encoders, in the form that others write: JPEG as cameras do, at quality 89, the
//! highest at which ours keeps 4:2:0, and PNG at the effort of libpng's default. The 12 megapixels are the corpus's
//! photograph enlarged, which alone would be too smooth, with the grain of a sensor on top.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use pixaven_imaging::plan::{Filter, Format, Gravity, Kernel, Output, Plan, Resize, ResizeMode, Target};
use pixaven_imaging::{Channels, Image, Limits, Scratch, encode_animation, process, sample};
use tempfile::TempDir;

/// Strength of the grain on the enlarged photograph, in percent: about three levels.
const GRAIN: f32 = 6.0;

/// How long a frame of the animations is shown.
const DELAY_MS: u32 = 40;

/// A picture that jobs start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Input {
    /// 4000×3000, baseline JPEG.
    Photo12Mp,
    /// The same as progressive JPEG.
    Progressive12Mp,
    /// 2725×2225, baseline JPEG: the photograph of sharp's own benchmark.
    Photo6Mp,
    /// 1200×800, baseline JPEG.
    Photo1Mp,
    /// 2048×1536 with alpha, PNG: the other picture of sharp's own benchmark.
    PngAlpha,
    /// The photograph of 2725×2225 as PNG.
    PngPhoto,
    /// 480×320, a camera moving over a painted landscape.
    Gif50,
    /// 800×600, the same: as long as the limits of the API allow.
    Gif200,
}

/// A directory of inputs, each made when it is first asked for.
pub(super) struct Inputs {
    corpus: PathBuf,
    dir: TempDir,
    made: HashMap<Input, PathBuf>,
}

impl Inputs {
    pub(super) fn new(corpus: PathBuf) -> anyhow::Result<Self> {
        let dir = TempDir::with_prefix("pixaven-images-").context("no temporary directory")?;
        Ok(Self { corpus, dir, made: HashMap::new() })
    }

    /// Where the picture is.
    pub(super) fn file(&mut self, input: Input) -> anyhow::Result<PathBuf> {
        if let Some(path) = self.made.get(&input) {
            return Ok(path.clone());
        }
        let path = match input {
            Input::Photo6Mp => self.real("jpeg", "2569067123_aca715a2ee_o.jpg")?,
            Input::PngAlpha => self.real("png", "alpha-premultiply-2048x1536-paper.png")?,
            _ => {
                let path = self.dir.path().join(format!("{input:?}"));
                let bytes = self.make(input)?;
                fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
                path
            }
        };
        self.made.insert(input, path.clone());
        Ok(path)
    }

    /// A file of the corpus by the end of its name.
    fn real(&self, format: &str, name: &str) -> anyhow::Result<PathBuf> {
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
            format: Target::Format(Format::Jpeg),
            quality: Some(89),
            baseline: true,
            ..Output::default()
        };
        let png = Output { format: Target::Format(Format::Png), effort: Some(6), ..Output::default() };
        match input {
            Input::Photo12Mp => self.photo(Some((4000, 3000)), Some(GRAIN), jpeg),
            Input::Progressive12Mp => {
                let progressive = Output { baseline: false, ..jpeg };
                self.photo(Some((4000, 3000)), Some(GRAIN), progressive)
            }
            Input::Photo1Mp => self.photo(Some((1200, 800)), None, jpeg),
            Input::PngPhoto => self.photo(None, None, png),
            Input::Gif50 => moving(480, 320, 50),
            Input::Gif200 => moving(800, 600, 200),
            Input::Photo6Mp | Input::PngAlpha => fs::read(self.file(input)?).context("the corpus is gone"),
        }
    }

    /// The corpus's photograph in another size, with or without grain.
    fn photo(
        &mut self,
        size: Option<(u32, u32)>,
        noise: Option<f32>,
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
        });
        let plan =
            Plan { resize, filter: Some(Filter { noise, ..Filter::default() }), output, ..Plan::default() };
        Ok(process(&photo, &plan, &Limits::default(), &mut Scratch::default())?.bytes)
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// An animation in which every pixel moves: three columns and, every other frame, a row.
fn moving(width: u32, height: u32, n_frames: u32) -> anyhow::Result<Vec<u8>> {
    let (n_columns, n_rows) = (width + n_frames * 3, height + n_frames / 2);
    let landscape = sample::landscape(n_columns, n_rows, 5);
    let frames = (0..n_frames).map(|i| (part(&landscape, i * 3, i / 2, width, height), DELAY_MS));
    Ok(encode_animation(frames, n_frames, Format::Gif, &Output::default())?)
}

fn part(image: &Image, left: u32, top: u32, width: u32, height: u32) -> Image {
    let stride = image.width() as usize * 3;
    let (start, end) = (left as usize * 3, (left + width) as usize * 3);
    let rows = image.data().chunks_exact(stride).skip(top as usize).take(height as usize);
    Image::new(width, height, Channels::Rgb, rows.flat_map(|row| &row[start..end]).copied().collect())
}
