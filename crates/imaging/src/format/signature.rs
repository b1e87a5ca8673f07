//! The first bytes by which files of some formats are recognised, where a decoder needs the same constant.

/// The PNG signature (ISO/IEC 15948, 5.2).
pub(crate) const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// A JPEG XL file in a container of boxes.
pub(crate) const JXL_CONTAINER: &[u8] = b"\0\0\0\x0cJXL \r\n\x87\n";

/// A bare JPEG XL codestream without a container.
pub(crate) const JXL_CODESTREAM: &[u8] = b"\xff\x0a";

/// A JPEG 2000 file in a container of boxes.
pub(crate) const JP2_CONTAINER: &[u8] = b"\0\0\0\x0cjP  \r\n\x87\n";

/// A bare JPEG 2000 codestream: the marker SOC (start of codestream), then the marker SIZ (image and tile
/// size).
pub(crate) const JP2_CODESTREAM: &[u8] = b"\xff\x4f\xff\x51";

/// Gzip with the compression method deflate (RFC 1952, 2.3.1). Compressed SVG files begin with these bytes.
pub(crate) const GZIP: &[u8] = b"\x1f\x8b\x08";

/// Length of the header of an icon file, which precedes the directory of pictures.
pub(crate) const ICO_HEADER_BYTES: usize = 6;

/// Length of one entry in the directory of an icon file.
pub(crate) const ICO_ENTRY_BYTES: usize = 16;
