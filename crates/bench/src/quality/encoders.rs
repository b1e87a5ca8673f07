//! The encoders that are compared, and the qualities at which each of them encodes.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use pixaven_imaging::encode;
use pixaven_imaging::plan::{Format, Output, TargetFormat};

use super::photo::Photo;
use crate::resource_usage::own_cpu_ms;
use crate::sharp::Sharp;

/// Milliseconds of processor time for which an encoding is repeated to measure its time.
const BUDGET_MS: f64 = 40.0;

/// A JavaScript program that encodes a picture with sharp at several qualities.
const SHARP_SCRIPT: &str = include_str!("sharp.js");

/// The name of the file that programs read.
const INPUT: &str = "input.png";

/// An encoder with its settings.
pub(super) struct Encoder {
    pub(super) name: String,
    pub(super) format: Format,
    kind: Kind,
}

enum Kind {
    Pixaven {
        effort: Option<u8>,
    },
    /// The call of an output method of sharp. The variable `quality` holds the quality.
    Sharp(&'static str),
    /// A program that reads and writes a file, and its arguments. `IN` and `OUT` stand for the files, and `QUALITY`
    /// for the quality.
    Program(&'static str, &'static [&'static str]),
}

/// A file that an encoder wrote.
pub(super) struct EncodedFile {
    /// `None` for a format whose encoders have no quality.
    pub(super) quality: Option<u8>,
    pub(super) bytes: Vec<u8>,
    /// Milliseconds of processor time, if the encoder tells it.
    pub(super) cpu_ms: Option<f64>,
}

/// Returns pixaven's encoder of a format: with the default effort, and with each of the given efforts.
pub(super) fn ours(format: Format, efforts: &[u8]) -> Vec<Encoder> {
    let all = std::iter::once(None).chain(efforts.iter().copied().map(Some));
    all.map(|effort| {
        let name = effort.map_or("pixaven".to_owned(), |effort| format!("pixaven effort {effort}"));
        Encoder { name, format, kind: Kind::Pixaven { effort } }
    })
    .collect()
}

/// Returns the encoders of a format with which pixaven is compared.
pub(super) fn peers(format: Format) -> Vec<Encoder> {
    let encoder = |name: &str, kind| Encoder { name: name.to_owned(), format, kind };
    let sharp = |name, method| encoder(name, Kind::Sharp(method));
    match format {
        Format::Jpeg => vec![
            sharp("sharp", "jpeg({quality})"),
            sharp("sharp mozjpeg", "jpeg({quality, mozjpeg: true})"),
            encoder("jpegli", Kind::Program("cjpegli", &["IN", "OUT", "-q", "QUALITY"])),
        ],
        Format::Webp => vec![
            sharp("sharp effort 4", "webp({quality, effort: 4})"),
            sharp("sharp effort 6 smart", "webp({quality, effort: 6, smartSubsample: true})"),
        ],
        Format::Avif => vec![sharp("sharp effort 4", "avif({quality, effort: 4})")],
        Format::Jxl => {
            vec![encoder("libjxl e7", Kind::Program("cjxl", &["IN", "OUT", "-e", "7", "-q", "QUALITY"]))]
        }
        Format::Png => vec![
            sharp("sharp", "png()"),
            encoder(
                "oxipng o2",
                Kind::Program("oxipng", &["-o", "2", "--strip", "safe", "--out", "OUT", "IN"]),
            ),
        ],
        Format::Gif => vec![sharp("sharp", "gif()")],
        _ => Vec::new(),
    }
}

/// Returns the qualities at which the encoders of a format encode. The scores of the files span the range from
/// 50 to 90 for most photographs.
pub(super) fn qualities(format: Format) -> Vec<Option<u8>> {
    let qualities: &[u8] = match format {
        Format::Jpeg => &[20, 30, 40, 50, 60, 70, 80, 85, 88, 90, 93, 96],
        Format::Webp | Format::Jxl => &[20, 30, 45, 60, 70, 80, 86, 90, 93, 96],
        Format::Avif | Format::Heic | Format::Jp2 => &[20, 35, 50, 65, 80, 87, 90, 93, 96],
        _ => return vec![None],
    };
    qualities.iter().copied().map(Some).collect()
}

impl Encoder {
    /// Returns why the encoder cannot be used on this machine, or `None` if it can.
    pub(super) fn missing(&self, sharp: Option<&Sharp>) -> Option<String> {
        match self.kind {
            Kind::Pixaven { .. } => Format::written()
                .all(|format| format != self.format)
                .then(|| "this build does not write that format".to_owned()),
            Kind::Sharp(_) => sharp.is_none().then(|| "no sharp at --sharp-dir".to_owned()),
            Kind::Program(program, _) => {
                let runs =
                    Command::new(program).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status();
                runs.is_err().then(|| format!("no program {program} on the path"))
            }
        }
    }

    /// Encodes a photograph at all qualities. Temporary files are written to `dir`.
    pub(super) fn encode(
        &self,
        photo: &Photo,
        qualities: &[Option<u8>],
        sharp: Option<&Sharp>,
        dir: &Path,
    ) -> anyhow::Result<Vec<EncodedFile>> {
        match self.kind {
            Kind::Pixaven { effort } => {
                qualities.iter().map(|&quality| self.with_pixaven(photo, quality, effort)).collect()
            }
            Kind::Sharp(method) => with_sharp(sharp.context("no sharp")?, method, photo, qualities, dir),
            Kind::Program(program, arguments) => {
                fs::write(dir.join(INPUT), encode(photo.image(), Format::Png, &Output::default())?)?;
                let encode_at = |&quality| self.with_program(program, arguments, quality, dir);
                qualities.iter().map(encode_at).collect()
            }
        }
    }

    fn with_pixaven(
        &self,
        photo: &Photo,
        quality: Option<u8>,
        effort: Option<u8>,
    ) -> anyhow::Result<EncodedFile> {
        let format = TargetFormat::Format(self.format);
        let output = Output { format, quality, effort, ..Output::default() };
        let (mut n_runs, mut used_ms) = (0.0, 0.0);
        loop {
            let image = photo.image();
            let start_ms = own_cpu_ms();
            let bytes = encode(image, self.format, &output)?;
            used_ms += own_cpu_ms() - start_ms;
            n_runs += 1.0;
            if used_ms >= BUDGET_MS {
                return Ok(EncodedFile { quality, bytes, cpu_ms: Some(used_ms / n_runs) });
            }
        }
    }

    /// Encodes the file [`INPUT`] in `dir` with a program.
    fn with_program(
        &self,
        program: &str,
        arguments: &[&str],
        quality: Option<u8>,
        dir: &Path,
    ) -> anyhow::Result<EncodedFile> {
        let (input, output) = (dir.join(INPUT), dir.join(format!("output.{}", self.format.extension())));
        let quality_text = quality.map_or_else(String::new, |quality| quality.to_string());
        let mut command = Command::new(program);
        for &argument in arguments {
            match argument {
                "IN" => command.arg(&input),
                "OUT" => command.arg(&output),
                "QUALITY" => command.arg(&quality_text),
                other => command.arg(other),
            };
        }
        let ended = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {program}"))?;
        ensure!(ended.status.success(), "{program}: {}", String::from_utf8_lossy(&ended.stderr));
        Ok(EncodedFile { quality, bytes: fs::read(&output)?, cpu_ms: None })
    }
}

/// Encodes a photograph with sharp at all qualities. Where `qualities` has `None`, the method of sharp does not
/// use the quality.
fn with_sharp(
    sharp: &Sharp,
    method: &str,
    photo: &Photo,
    qualities: &[Option<u8>],
    dir: &Path,
) -> anyhow::Result<Vec<EncodedFile>> {
    let (raw, output) = (dir.join("raw"), dir.join("sharp"));
    fs::write(&raw, &photo.rgb)?;
    let mut command = sharp.command(SHARP_SCRIPT);
    command.arg(&raw).args([photo.width, photo.height].map(|side| side.to_string()));
    command.arg(method).arg(&output).arg(BUDGET_MS.to_string());
    let names: Vec<String> = qualities.iter().map(|quality| quality.unwrap_or(0).to_string()).collect();
    let ended = command.args(&names).stderr(Stdio::inherit()).output().context("cannot run node")?;
    ensure!(ended.status.success(), "sharp failed at {method}");
    let times: Vec<f64> = serde_json::from_slice(&ended.stdout).context("sharp printed no times")?;
    ensure!(times.len() == qualities.len(), "sharp printed {} times", times.len());
    let files = qualities.iter().zip(&names).zip(times).map(|((&quality, name), cpu_ms)| {
        let bytes = fs::read(output.with_extension(name))?;
        Ok(EncodedFile { quality, bytes, cpu_ms: Some(cpu_ms) })
    });
    files.collect()
}
