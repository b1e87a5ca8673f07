//! Calls OpenH264: the settings of the encoder and its output, which are NAL units (ITU-T H.264, 7.3.1).

use openh264::OpenH264API;
use openh264::encoder::{
    BitRate, Complexity, Encoder, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, Profile, QpRange,
    RateControlMode, UsageType, VuiConfig,
};

use super::boxes::{Movie, Parameters};
use super::failed;
use super::planes::Planes;
use crate::Error;

/// The largest allowed longer side and the largest allowed shorter side of a picture, in pixels. OpenH264
/// derives both from level 5.2 of ITU-T H.264.
const MAX_SIDES_PX: (u32, u32) = (3_840, 2_160);

/// The largest distance between two key frames, in frames. The distance is limited because a player can seek
/// only to key frames.
const KEY_FRAME_PERIOD: u32 = 250;

/// The frame rate that is passed to OpenH264, which uses the frame rate only to choose the level. The MP4
/// file states the actual duration of each frame.
const FRAMES_PER_SECOND: f32 = 30.0;

/// The bit rate in bits per second that is passed to OpenH264, which uses the bit rate only to choose the
/// level. The actual bit rate results from the fixed quantiser.
const BITS_PER_SECOND: u32 = 2_000_000;

/// The type number of a NAL unit with a sequence parameter set.
const SEQUENCE: u8 = 7;
/// The type number of a NAL unit with a picture parameter set.
const PICTURE: u8 = 8;

/// An encoder for pictures of the same size.
pub(super) struct Coder {
    encoder: Encoder,
    parameters: Parameters,
}

impl Coder {
    /// Opens the encoder for pictures of `width` × `height` pixels.
    ///
    /// # Errors
    /// [`Error::Plan`] when the pictures are larger than OpenH264 allows.
    pub(super) fn new(width: u32, height: u32, quality: u8, effort: Option<u8>) -> Result<Self, Error> {
        let (long, short) = MAX_SIDES_PX;
        if width.max(height) > long || width.min(height) > short {
            return Err(Error::Plan(format!(
                "output.format: an MP4 has at most {long}x{short} pixels, lying or upright, the result has \
                 {width}x{height}"
            )));
        }
        let quantiser = quantiser(quality);
        let config = EncoderConfig::new()
            .profile(Profile::High)
            .usage_type(UsageType::CameraVideoRealTime)
            // In the rate control mode `Bufferbased`, OpenH264 stays within the given range of quantisers.
            // This range contains a single quantiser, so every picture uses this quantiser.
            .rate_control_mode(RateControlMode::Bufferbased)
            .qp(QpRange::new(quantiser, quantiser))
            .bitrate(BitRate::from_bps(BITS_PER_SECOND))
            .max_frame_rate(FrameRate::from_hz(FRAMES_PER_SECOND))
            .skip_frames(false)
            // Scene change detection must be off: if it is on, OpenH264 chooses quantisers outside of the
            // given range.
            .scene_change_detect(false)
            .adaptive_quantization(false)
            .background_detection(false)
            .intra_frame_period(IntraFramePeriod::from_num_frames(KEY_FRAME_PERIOD))
            .complexity(complexity(effort))
            .num_threads(1)
            .vui(VuiConfig::bt709());
        let encoder = Encoder::with_api_config(OpenH264API::from_source(), config)
            .map_err(|error| failed(&error.to_string()))?;
        Ok(Self { encoder, parameters: Parameters::default() })
    }

    /// Codes a picture and appends its NAL units to the current sample of the movie. Returns whether the
    /// picture is a key frame.
    pub(super) fn encode(&mut self, planes: &Planes, movie: &mut Movie) -> Result<bool, Error> {
        let coded = self.encoder.encode(planes).map_err(|error| failed(&error.to_string()))?;
        for layer in (0..coded.num_layers()).filter_map(|i| coded.layer(i)) {
            for unit in (0..layer.nal_count()).filter_map(|i| layer.nal_unit(i)) {
                let unit = without_start_code(unit);
                match unit.first().map(|head| head & 0x1f) {
                    None => {}
                    Some(SEQUENCE) => keep(&mut self.parameters.sequence, unit)?,
                    Some(PICTURE) => keep(&mut self.parameters.picture, unit)?,
                    Some(_) => movie.append(unit)?,
                }
            }
        }
        match coded.frame_type() {
            FrameType::IDR => Ok(true),
            FrameType::P => Ok(false),
            other => Err(failed(&format!("an unexpected frame of type {other:?}"))),
        }
    }

    /// Returns the parameter sets, which are the same for all pictures. They are empty before the first
    /// picture was coded.
    pub(super) fn parameters(&self) -> &Parameters {
        &self.parameters
    }
}

/// Stores a parameter set. The file contains one parameter set of each type, so a second parameter set that
/// differs from the first is an error.
fn keep(known: &mut Vec<u8>, unit: &[u8]) -> Result<(), Error> {
    if known.is_empty() {
        known.extend_from_slice(unit);
    }
    if known == unit { Ok(()) } else { Err(failed("the parameters change on the way")) }
}

/// Removes the start code before a NAL unit (ITU-T H.264, annex B).
fn without_start_code(unit: &[u8]) -> &[u8] {
    let n_zeros = unit.iter().take_while(|&&byte| byte == 0).count();
    if n_zeros >= 2 && unit.get(n_zeros) == Some(&1) { &unit[n_zeros + 1..] } else { unit }
}

/// Converts a quality to a quantiser of H.264. Quality 100 gives 12, the finest quantiser of OpenH264, at
/// which no loss is visible. Quality 1 gives 49, which is close to the coarsest quantiser.
fn quantiser(quality: u8) -> u8 {
    49 - (u32::from(quality.clamp(1, 100)) * 37 / 100) as u8
}

/// Converts `output.effort`, 0 to 9, to one of the three complexity settings of OpenH264.
fn complexity(effort: Option<u8>) -> Complexity {
    match effort {
        Some(0..=2) => Complexity::Low,
        None | Some(3..=6) => Complexity::Medium,
        Some(_) => Complexity::High,
    }
}
