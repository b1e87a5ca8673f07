//! Decodes an animation in a HEIF file: an image sequence, which is a track of coded pictures (ISO/IEC
//! 23008-12, 7). `tracks.rs` reads the boxes.

use super::compose::with_alpha;
use super::planes::{Chroma, Planes};
use super::properties::{self, Coding};
use super::tracks::{Sample, Track, Tracks};
use super::{av1, hevc};
use crate::codecs::codec::{Decode, Frame, Header};
use crate::codecs::memory::{DecoderMemory, area, pixel_bytes};
use crate::color::{Raster, cicp_profile};
use crate::format::Format;
use crate::info::{Colorspace, ImageInfo};
use crate::limits::{Limit, check};
use crate::metadata::Metadata;
use crate::orientation::Orientation;
use crate::truncation::{MissingPart, Truncation};
use crate::{Error, Image, Limits, Scratch};

/// A sequence of pictures whose boxes were read.
pub(super) struct Decoder<'a> {
    input: &'a [u8],
    tracks: Tracks<'a>,
    header: Header,
    /// The decoders of the colours and of the alpha planes. `None` before the first frame.
    coders: Option<(Coder<'a>, Option<Coder<'a>>)>,
    n_read: usize,
    /// The number of frames that can be read.
    n_readable: usize,
}

impl<'a> Decoder<'a> {
    /// Describes the sequence. Decodes no pixels.
    pub(super) fn open(
        format: Format,
        input: &'a [u8],
        mut tracks: Tracks<'a>,
        metadata: Metadata,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let configuration = Coder::hevc_configuration(&tracks.color);
        if !tracks.color.color.has_range {
            tracks.color.color.take_hevc(configuration.as_ref());
        }
        let color = &tracks.color.color;
        let samples = &tracks.color.samples;
        let n_samples = samples.len();
        let n_complete = samples.iter().take_while(|sample| sample.data(input).is_some()).count();
        let n_decodable = match configuration {
            Some(_) => samples.iter().take_while(|sample| sample.is_sync).count(),
            None => n_samples,
        };
        let mut warnings = Vec::new();
        if n_decodable < n_samples {
            warnings.push(format!(
                "only {n_decodable} of {n_samples} frames were read: this build decodes no HEVC pictures that \
                 refer to other pictures"
            ));
        }
        let n_readable = n_complete.min(n_decodable);
        if n_readable == 0 {
            let reason = "the sequence has no picture that can be decoded".to_owned();
            return Err(Error::Corrupt { format: format.name(), reason });
        }
        let missing = n_decodable - n_readable;
        let info = describe(format, &tracks, n_decodable)?;
        let profile = color.profile.map(<[u8]>::to_vec);
        check(Limit::MetadataBytes, limits.metadata_bytes, profile.as_ref().map_or(0, Vec::len) as u64)?;
        let is_gray = info.colorspace == Colorspace::Gray;
        let header = Header {
            info,
            orientation: Orientation::Upright,
            profile: profile.or_else(|| cicp_profile(color.cicp.primaries, color.cicp.transfer, is_gray)),
            metadata,
            plays: tracks.color.plays,
            warnings,
            truncation: Truncation::new(MissingPart::Frames, missing as u64, n_decodable as u64),
        };
        Ok(Self { input, tracks, header, coders: None, n_read: 0, n_readable })
    }

    fn corrupt(&self, reason: impl Into<String>) -> Error {
        Error::Corrupt { format: self.header.info.format.name(), reason: reason.into() }
    }

    /// Decodes the picture of the next sample of a track.
    fn picture(
        &self,
        track: &Track<'a>,
        coder: &mut Coder<'a>,
        scratch: &mut Scratch,
    ) -> Result<Image, Error> {
        let sample = track.samples.get(self.n_read).and_then(|sample: &Sample| sample.data(self.input));
        let sample = sample.ok_or_else(|| self.corrupt("the file ends before a frame does"))?;
        let planes = coder.planes(sample).map_err(|reason| self.corrupt(reason))?;
        let (width, height) = (track.width as usize, track.height as usize);
        if planes.width < width || planes.height < height {
            return Err(self.corrupt("a frame is smaller than the file says"));
        }
        Ok(planes.to_image(width, height, track.color.completed(planes.cicp), scratch))
    }

    fn frame(
        &self,
        coders: &mut (Coder<'a>, Option<Coder<'a>>),
        scratch: &mut Scratch,
    ) -> Result<Frame, Error> {
        let track = &self.tracks.color;
        let mut image = self.picture(track, &mut coders.0, scratch)?;
        if let (Some(alpha), Some(coder)) = (&self.tracks.alpha, &mut coders.1) {
            let plane = self.picture(alpha, coder, scratch)?;
            image = with_alpha(image, &plane, self.tracks.premultiplied, scratch);
            scratch.give(plane.into_data());
        }
        let delay_ms = track.samples[self.n_read].delay_ms;
        let (width, height) = (image.width(), image.height());
        let layout = image.channels().into();
        Ok(Frame { raster: Raster { width, height, layout, data: image.into_data() }, delay_ms })
    }
}

impl<'a> Decode for Decoder<'a> {
    fn header(&self) -> &Header {
        &self.header
    }

    fn memory(&self) -> DecoderMemory {
        let ImageInfo { width, height, .. } = self.header.info;
        let frame = area(width, height) * pixel_bytes(&self.header.info);
        // The planes of a frame and of the frames to which it refers.
        let kept = area(width, height) * 16;
        DecoderMemory { frame, decoding: frame * 2 + kept, kept, rows: None }
    }

    fn next_frame(&mut self, scratch: &mut Scratch) -> Result<Option<Frame>, Error> {
        if self.n_read == self.n_readable {
            self.coders = None;
            return Ok(None);
        }
        let mut coders = match self.coders.take() {
            Some(coders) => coders,
            None => {
                let open = |track: &Track<'a>| Coder::open(track).map_err(|reason| self.corrupt(reason));
                (open(&self.tracks.color)?, self.tracks.alpha.as_ref().map(open).transpose()?)
            }
        };
        let frame = self.frame(&mut coders, scratch)?;
        self.coders = Some(coders);
        self.n_read += 1;
        Ok(Some(frame))
    }
}

/// Describes the sequence by the configuration of its decoder.
fn describe(format: Format, tracks: &Tracks<'_>, n_frames: usize) -> Result<ImageInfo, Error> {
    let track = &tracks.color;
    let coding = match Coder::hevc_configuration(track) {
        Some(configuration) => Some(Coding { depth: configuration.depth, chroma: configuration.chroma }),
        None => properties::av1_coding(track.configuration).filter(|_| track.kind == *b"av01"),
    };
    let Coding { depth, chroma } = coding.ok_or_else(|| Error::Corrupt {
        format: format.name(),
        reason: "the configuration of its decoder is broken".to_owned(),
    })?;
    let alpha = tracks.alpha.is_some();
    let colorspace = match chroma {
        Chroma::None => Colorspace::Gray,
        _ if track.color.cicp.matrix == 0 => Colorspace::Rgb,
        _ => Colorspace::YCbCr,
    };
    let n_channels = if chroma == Chroma::None { 1 } else { 3 } + u8::from(alpha);
    Ok(ImageInfo {
        format,
        width: track.width,
        height: track.height,
        colorspace,
        interlaced: false,
        sampling: chroma.name().filter(|_| colorspace == Colorspace::YCbCr).map(str::to_owned),
        depth: depth * n_channels,
        quality: None,
        frames: u32::try_from(n_frames).unwrap_or(u32::MAX),
        alpha,
    })
}

/// The decoder of one track.
enum Coder<'a> {
    Av1(av1::Stream),
    Hevc { configuration: hevc::Configuration<'a>, max_pixels: u64 },
}

impl<'a> Coder<'a> {
    fn open(track: &Track<'a>) -> Result<Self, String> {
        // The limit has 64 extra pixels per side, because an encoder can round the sides up to whole blocks.
        let max_pixels = (u64::from(track.width) + 64) * (u64::from(track.height) + 64);
        if track.kind == *b"av01" {
            let max_pixels = u32::try_from(max_pixels).unwrap_or(u32::MAX);
            return Ok(Self::Av1(av1::Stream::open(max_pixels)?));
        }
        let configuration = Self::hevc_configuration(track).ok_or("the `hvcC` box is broken")?;
        Ok(Self::Hevc { configuration, max_pixels })
    }

    fn hevc_configuration(track: &Track<'a>) -> Option<hevc::Configuration<'a>> {
        let is_hevc = matches!(&track.kind, b"hvc1" | b"hev1");
        if is_hevc { hevc::Configuration::parse(track.configuration) } else { None }
    }

    /// Decodes the planes of a sample. The error is a message for the user of the API.
    fn planes(&mut self, sample: &[u8]) -> Result<Planes, String> {
        match self {
            Self::Av1(stream) => stream.picture(sample).map_err(str::to_owned),
            Self::Hevc { configuration, max_pixels } => {
                hevc::decode(configuration, sample, *max_pixels).map_err(hevc::Failure::into_reason)
            }
        }
    }
}
